// receipt.json is written by tests/e2e/make_receipt.py with the ledger package itself.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { parseVkey } from "../../../web/static/note.js";
import { checkReceipt, parseReceipt } from "../../../web/static/receipt.js";

const json = JSON.parse(readFileSync(new URL("receipt.json", import.meta.url), "utf-8"));
const vkey = await parseVkey("rail.example/log1+7fd7bc70+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4");
const failures = ({ checks }) => checks.filter((check) => check.passed !== true).map((check) => check.claim);

test("every check of a receipt made by the ledger passes", async () => {
  const result = await checkReceipt(parseReceipt(json), vkey);
  assert.deepEqual(failures(result), []);
  assert.equal(result.checks.length, 7);
  assert.equal(result.index, 5);
  assert.equal(result.size, 7);
  assert.equal(result.fold.steps.length, 3);
  assert.equal(result.payload.get("sampling").get("seed"), 9223372036854775807n);
  assert.equal(new TextDecoder().decode(result.output), "Story 5: the fox and \u6c34.");
});

test("every flipped byte of the statement breaks its signature and its inclusion", async () => {
  const receipt = parseReceipt(json);
  for (let offset = 0; offset < receipt.statement.length; offset += 7) {
    const statement = receipt.statement.slice();
    statement[offset] ^= 1;
    const failed = failures(await checkReceipt({ ...receipt, statement }, vkey));
    assert.ok(failed.includes("The operator signed this statement"), `byte ${offset}`);
    assert.ok(failed.includes("This entry is in the tree"), `byte ${offset}`);
  }
});

test("each other part is bound too", async () => {
  const change = async (edit) => {
    const copy = structuredClone(json);
    edit(copy);
    return failures(await checkReceipt(parseReceipt(copy), vkey));
  };
  const other = "A".repeat(43) + "=";
  assert.deepEqual(await change((r) => (r.entry.proof[0] = other)), ["This entry is in the tree"]);
  assert.deepEqual(await change((r) => (r.entry.index = 4)), ["This entry is in the tree"]);
  assert.deepEqual(await change((r) => r.entry.proof.pop()), ["This entry is in the tree"]);
  assert.deepEqual(await change((r) => (r.operator.proof[1] = other)), ["The operator\u2019s registration is in the same tree"]);
  assert.deepEqual(await change((r) => (r.opening.output.salt = other)), ["The output is what the statement commits to"]);
  assert.deepEqual(await change((r) => (r.opening.prompt.salt = r.opening.output.salt)), ["The prompt\u2019s tokens are what the statement commits to"]);
  assert.ok((await change((r) => (r.operator.statement = r.entry.statement))).length >= 3);
  const resized = await change((r) => (r.checkpoint = r.checkpoint.replace("\n7\n", "\n8\n")));
  assert.ok(resized.includes("The log signed the root of this tree"));
});

test("a receipt without an opening proves the entry alone", async () => {
  const result = await checkReceipt(parseReceipt({ ...json, opening: null }), vkey);
  assert.deepEqual(failures(result), []);
  assert.equal(result.checks.length, 5);
});

test("what is not a receipt is refused by name", () => {
  for (const value of [null, {}, { ...json, format: "rail-receipt/2" }, { ...json, entry: null }, { ...json, entry: { ...json.entry, statement: "a" } }]) {
    assert.throws(() => parseReceipt(value), (error) => ["receipt_unreadable", "not_base64"].includes(error.code));
  }
});
