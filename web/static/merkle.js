// RFC 6962 hashing and inclusion, one step at a time so that the page can draw each.

import { CheckError, sha256 } from "./bytes.js";

export const leafHash = (entry) => sha256([0], entry);
export const nodeHash = (left, right) => sha256([1], left, right);

/**
 * Folds an inclusion proof from a leaf to the root. The number of hashes is determined by index and size.
 *
 *     root            each step joins `own` (known so far) with `sibling` (from the proof);
 *     /  \            `side` says on which side `own` stands; `parent` is `own` of the next step.
 *   own  sibling
 *
 * @returns {Promise<{root: Uint8Array, steps: {side: "left"|"right", own, sibling, parent: Uint8Array}[]}>}
 */
export async function foldInclusion(leaf, index, size, proof) {
  const counts = [index, size].every((count) => Number.isSafeInteger(count) && count >= 0);
  if (!counts || index >= size) throw new CheckError("proof_index", `entry ${index} is not in a tree of ${size}`);
  const steps = [];
  let own = leaf;
  let [node, last] = [index, size - 1];
  for (const sibling of proof) {
    if (last === 0) throw new CheckError("proof_length", "the proof has more hashes than the tree has levels");
    let side = "left";
    if (node % 2 === 1 || node === last) {
      side = "right";
      // A node without a right neighbour moves up unhashed until it is a right child.
      while (node % 2 === 0) [node, last] = [node / 2, half(last)];
    }
    const parent = side === "left" ? await nodeHash(own, sibling) : await nodeHash(sibling, own);
    steps.push({ side, own, sibling, parent });
    own = parent;
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) throw new CheckError("proof_length", "the proof has fewer hashes than the tree has levels");
  return { root: own, steps };
}

const half = (count) => Math.floor(count / 2);
