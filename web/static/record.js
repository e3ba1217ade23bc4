// The record page: checks the receipt in this browser, draws the proof, flips a byte on request, replays on request.

import { canHash, hex } from "./bytes.js";
import { h, hash, hint, icon, notice, number, state } from "./dom.js";
import { post, request } from "./http.js";
import { ladder } from "./ladder.js";
import { compareKey, handOver } from "./memory.js";
import { leafHash } from "./merkle.js";
import { parseVkey } from "./note.js";
import { checkReceipt, parseReceipt } from "./receipt.js";

const WINDOW = 12;
const section = document.getElementById("proof");
const [outcome, actions, detail, flip, restore, flipHint] =
  ["proof-result", "proof-actions", "proof-detail", "flip", "restore", "flip-hint"].map((id) => document.getElementById(id));
const element = (id) => document.getElementById(id);

async function prove() {
  if (!canHash()) {
    outcome.replaceChildren(state("unknown", "Not checked by this browser"), hint("Browsers hash only on pages loaded over HTTPS or from this machine."));
    return;
  }
  outcome.replaceChildren(h("p", { class: "soft" }, "Checking…"));
  try {
    const receipt = parseReceipt(await (await request(section.dataset.receipt)).json());
    const vkey = await parseVkey(section.dataset.vkey);
    const original = await check(receipt, vkey);
    show(original, original);
    showCommitted(original.output);
    const known = compareKey(vkey.name, section.dataset.vkey);
    if (known !== "new" && known !== "same") outcome.append(notice(h("p", {}, "Not the key that your browser first saw for this log: ", hash(known))));
    actions.hidden = false;
    flip.addEventListener("click", () => flipped(receipt, vkey, original));
    restore.addEventListener("click", () => restored(original));
  } catch (error) {
    outcome.replaceChildren(notice(h("p", {}, state("unknown", "The receipt could not be checked")), h("p", {}, error.message)));
  }
}

/** All checks of the receipt, and first that it is the receipt of the record on this page. */
async function check(receipt, vkey) {
  const result = await checkReceipt(receipt, vkey);
  const passed = receipt.index === Number(section.dataset.index) && hex(await leafHash(receipt.statement)) === element("leaf-hash").textContent;
  const why = passed ? "Its statement hashes to the leaf hash above: SHA-256(00 ‖ statement)." : "Its statement does not hash to the leaf hash above.";
  return { ...result, checks: [{ claim: "The receipt is of this record", passed, why }, ...result.checks] };
}

/** Shows the output from the bytes that the statement commits to, in place of the server's copy. */
function showCommitted(output) {
  const shown = element("output-text");
  if (output === null || shown === null) return;
  shown.textContent = new TextDecoder("utf-8", { ignoreBOM: true }).decode(output);
  element("output-label").textContent = "Output, from the bytes that the proof covers";
}

async function flipped(receipt, vkey, original) {
  const statement = receipt.statement.slice();
  const offset = crypto.getRandomValues(new Uint32Array(1))[0] % statement.length;
  statement[offset] ^= 1;
  show(await check({ ...receipt, statement }, vkey), original, { offset, before: receipt.statement[offset] });
  restore.hidden = false;
  flip.textContent = "Flip another byte";
  flipHint.hidden = true;
}

function restored(original) {
  show(original, original);
  restore.hidden = true;
  flip.textContent = "Flip one byte";
  flipHint.hidden = false;
}

function show(result, original, change = null) {
  const failed = result.checks.filter((check) => check.passed === false);
  const open = result.checks.filter((check) => check.passed === null);
  const headline = failed.length > 0 ? state("bad", "Refused: the proof does not hold")
    : open.length > 0 ? state("unknown", `${result.checks.length - open.length} of ${result.checks.length} checks passed, ${open.length} not checked by this browser`)
      : state("good", `All ${result.checks.length} checks passed`);
  outcome.replaceChildren(
    h("p", { "data-proof": failed.length > 0 ? "refused" : open.length > 0 ? "open" : "verified" }, headline),
  );
  detail.replaceChildren(
    change ? flippedByte(result.statement, change) : "",
    h("ul", { class: "checks" }, result.checks.map(line)),
    h("h3", {}, `From entry ${number(result.index)} to the root of ${number(result.size)} entries`),
    hint("Each pair is hashed together as SHA-256(01 ‖ left ‖ right). Only the hashes “from the proof” come from the server."),
    result.fold ? ladder(result.fold, original.fold, result.expected) : "",
    h("h3", {}, "What was checked"),
    fold("Statement, decoded from its signed bytes", result.payload ? decoded(result.payload) : h("p", {}, "The bytes cannot be read as a statement.")),
    fold(`Statement, ${result.statement.length} bytes`, h("pre", { class: "code" }, hex(result.statement))),
    fold("Checkpoint, as the log signed it", h("pre", { class: "code" }, result.checkpoint)),
  );
}

function line({ passed, claim, why }) {
  const kind = passed === null ? "unknown" : passed ? "good" : "bad";
  const word = passed === null ? "Not checked by this browser" : passed ? "Passed" : "Failed";
  return h("li", {}, h("span", { class: kind === "unknown" ? "none" : kind }, icon(kind)),
    h("div", {}, h("b", {}, claim), h("span", { class: "visually-hidden" }, `: ${word}`), hint(why)));
}

function flippedByte(statement, { offset, before }) {
  const start = Math.max(0, offset - WINDOW);
  const bytes = Array.from(statement.subarray(start, offset + WINDOW + 1), (byte, i) => {
    const pair = byte.toString(16).padStart(2, "0");
    return start + i === offset ? h("b", {}, pair) : h("span", {}, pair);
  });
  const was = before.toString(16).padStart(2, "0");
  return h("div", {}, h("p", { class: "small" }, `One bit of byte ${offset} of the statement is flipped: it was ${was}.`),
    h("div", { class: "bytes", "aria-hidden": "true" }, bytes));
}

const fold = (summary, ...children) => h("details", {}, h("summary", {}, summary), children);

function decoded(map) {
  const rows = Array.from(map, ([key, value]) => [h("dt", {}, String(key)), h("dd", {}, shown(value))]);
  return h("dl", { class: "facts" }, rows.flat());
}

function shown(value) {
  if (value instanceof Uint8Array) return hash(hex(value));
  if (value instanceof Map) return decoded(value);
  return h("span", { class: "numeric" }, value === null ? "none" : String(value));
}

async function replayNow(button, status) {
  button.disabled = true;
  status.textContent = "Replaying…";
  try {
    const { verdict, tokens, seconds, first_difference, reason, kernels } = await (await post(button.dataset.url, "{}")).json();
    const took = `${number(tokens)} tokens in ${seconds.toFixed(2)} s${kernels ? `, kernels ${kernels}` : ""}`;
    status.replaceChildren(verdict === "match" ? state("good", `Same bits: ${took}`)
      : verdict === "mismatch" ? state("bad", `Other bits: first difference at token ${first_difference}`)
        : state("unknown", `Could not be replayed here: ${String(reason).replaceAll("_", " ")}`));
  } catch (error) {
    status.replaceChildren(state("unknown", error.message));
  } finally {
    button.disabled = false;
  }
}

element("replay")?.addEventListener("click", (event) => replayNow(event.target, element("replay-result")));
element("verify-output")?.addEventListener("click", () => {
  handOver(element("output-text").textContent);
});
await prove();
