import assert from "node:assert/strict";
import test from "node:test";

import { cut } from "../../../web/static/spans.js";

const span = (start_utf16, end_utf16) => ({ start_utf16, end_utf16 });
const shown = (text, spans) => cut(text, spans).map((piece) => (piece.span ? `[${piece.text}]` : piece.text)).join("");

test("pieces join to the text and each span covers its own part", () => {
  assert.equal(shown("one two three", [span(4, 7)]), "one [two] three");
  assert.equal(shown("one", [span(0, 3)]), "[one]");
  assert.equal(shown("one", []), "one");
  assert.equal(shown("", [span(0, 3)]), "");
});

test("order does not matter and overlaps are shown once", () => {
  assert.equal(shown("abcdef", [span(4, 6), span(0, 2)]), "[ab]cd[ef]");
  assert.equal(shown("abcdef", [span(0, 4), span(2, 6)]), "[abcd][ef]");
  assert.equal(shown("abcdef", [span(1, 5), span(2, 3)]), "a[bcde]f");
});

test("spans outside the text or of no length are cut away", () => {
  assert.equal(shown("abc", [span(2, 9), span(7, 9), span(1, 1), span(-4, 1)]), "[a]b[c]");
});

test("a character outside the basic plane stays whole", () => {
  assert.equal(shown("a\u{1F600}b", [span(1, 3)]), "a[\u{1F600}]b");
});
