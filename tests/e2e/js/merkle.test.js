// Run with `node --test tests/e2e/js`. Vectors: RFC 6962 test data as in transparency-dev/merkle, C2SP signed-note.

import assert from "node:assert/strict";
import test from "node:test";

import { equal, fromHex, hex } from "../../../web/static/bytes.js";
import { foldInclusion, leafHash, nodeHash } from "../../../web/static/merkle.js";

const ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOT_8 = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
const leaves = await Promise.all(ENTRIES.map((entry) => leafHash(fromHex(entry))));

/** The tree head by its recursive definition: an oracle that shares nothing with the fold. */
async function rootOf(hashes) {
  if (hashes.length === 1) return hashes[0];
  const split = largestPowerBelow(hashes.length);
  return nodeHash(await rootOf(hashes.slice(0, split)), await rootOf(hashes.slice(split)));
}

async function proofOf(index, hashes) {
  if (hashes.length === 1) return [];
  const split = largestPowerBelow(hashes.length);
  const [left, right] = [hashes.slice(0, split), hashes.slice(split)];
  if (index < split) return [...(await proofOf(index, left)), await rootOf(right)];
  return [...(await proofOf(index - split, right)), await rootOf(left)];
}

function largestPowerBelow(count) {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

async function holds(leaf, index, size, proof, root) {
  try {
    return equal((await foldInclusion(leaf, index, size, proof)).root, root);
  } catch (error) {
    if (error.code?.startsWith("proof_")) return false;
    throw error;
  }
}

test("the root of eight known leaves is the published one", async () => {
  assert.equal(hex(await rootOf(leaves)), ROOT_8);
});

test("every proof of every tree up to 40 leaves holds, and fails with one flipped bit", async () => {
  const many = await Promise.all(Array.from({ length: 40 }, (_, i) => leafHash(Uint8Array.of(i))));
  for (let size = 1; size <= many.length; size++) {
    const hashes = many.slice(0, size);
    const root = await rootOf(hashes);
    for (let index = 0; index < size; index++) {
      const proof = await proofOf(index, hashes);
      assert.ok(await holds(hashes[index], index, size, proof, root), `leaf ${index} of ${size}`);
      for (let i = 0; i < proof.length; i++) {
        const flipped = proof.map((hash) => hash.slice());
        flipped[i][index % 32] ^= 1 << (size % 8);
        assert.ok(!(await holds(hashes[index], index, size, flipped, root)));
      }
      assert.ok(!(await holds(hashes[index], index, size, [...proof, root], root)));
      if (proof.length > 0) assert.ok(!(await holds(hashes[index], index, size, proof.slice(1), root)));
      assert.ok(size === 1 || !(await holds(hashes[index], (index + 1) % size, size, proof, root)));
    }
  }
});

test("each step names the side on which its own hash stands", async () => {
  const { steps } = await foldInclusion(leaves[5], 5, 8, await proofOf(5, leaves));
  assert.deepEqual(steps.map((step) => step.side), ["right", "left", "right"]);
});

test("an index outside the tree is refused", async () => {
  for (const [index, size] of [[8, 8], [0, 0], [-1, 8], [1.5, 8], [2 ** 53, 2 ** 54]]) {
    await assert.rejects(foldInclusion(leaves[0], index, size, []), { code: "proof_index" });
  }
});
