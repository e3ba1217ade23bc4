// Draws an inclusion proof as a ladder: the leaf on top, at each rung the two hashes that are joined, the root below.

import { equal, hex } from "./bytes.js";
import { h, s } from "./dom.js";

const short = (bytes) => `${hex(bytes.subarray(0, 4))}…${hex(bytes.subarray(-4))}`;

/**
 * @param {{leaf, root: Uint8Array, steps: object[]}} fold as checked now
 * @param {{leaf, root: Uint8Array, steps: object[]}} original what it was before a byte was flipped
 * @param {Uint8Array} expected the root in the checkpoint
 */
export function ladder(fold, original, expected) {
  const rungs = fold.steps.flatMap((step, level) => {
    const changed = !equal(step.own, original.steps[level].own);
    const own = node(level === 0 ? "this entry" : "computed", step.own, `own${changed ? " bad" : ""}`, changed);
    const sibling = node("from the proof", step.sibling, "");
    const pair = step.side === "left" ? [own, sibling] : [sibling, own];
    const next = fold.steps[level + 1];
    return [h("div", { class: "rung" }, pair), join(next?.side)];
  });
  const holds = equal(fold.root, expected);
  const reached = node(holds ? "root, equal to the checkpoint’s" : "not the checkpoint’s root", fold.root, `own whole${holds ? "" : " bad"}`, !holds);
  const wanted = holds ? [] : [h("div", { class: "differs" }, "≠"), h("div", { class: "rung" }, node("root in the checkpoint", expected, "whole"))];
  return h("div", { class: "ladder" }, rungs, h("div", { class: "rung" }, reached), wanted);
}

function node(words, bytes, kinds, changed = false) {
  return h("div", { class: `node ${kinds}`, title: hex(bytes) }, h("b", {}, changed ? `✕ ${words}` : words), h("code", {}, short(bytes)));
}

/** Two lines from a pair down to where their hash stands: the left or right of the next pair, or the root below both. */
function join(side) {
  const x = { left: 25, right: 75 }[side] ?? 50;
  return s("svg", { class: "join", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("path", { d: `M25 0V4Q25 10 ${(25 + x) / 2} 10T${x} 20M75 0V4Q75 10 ${(75 + x) / 2} 10T${x} 20`, "vector-effect": "non-scaling-stroke" }));
}
