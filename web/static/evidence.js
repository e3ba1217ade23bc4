// What the verify page says about the records that a text was found in.

import { facts, h, hash, hint, nameOf, notice, number, plural, share, state, when } from "./dom.js";
import { request } from "./http.js";

/** Separate lines of evidence about one record: never one score. `cosigners`: as of `askCosigners`, for all records. */
export function evidence(record, verdict, rank, cosigners) {
  const own = verdict.spans.filter((span) => span.record_id === record.record_id && !span.subtracted);
  return h("section", { "data-record": record.record_id },
    h("h2", {}, rank === 0 ? "Evidence: " : "Also: ", h("a", { href: `/records/${record.record_id}` }, `record ${record.record_id}`)),
    facts(
      ["Share of your text", shareWords(record, verdict, own)],
      ["Longest run", plural(record.longest_run_words, "word")],
      ["Prompt echo", record.echo_permille === 0 ? "none of this output repeats its prompt" : `${share(record.echo_permille)} of this output repeats its prompt`,
        record.echo_permille > 0 ? hint("A model can be made to repeat anyone’s text.") : null],
      ["First registered", when(record.logged), hint("by the log’s clock", later(record))],
      ["Stated time", when(record.time), hint("time stated by the operator")],
      ["Registered by", nameOf(record.operator), hint("operator ", hash(record.operator.id))],
      record.model ? ["Model", h("a", { href: `/models/${record.model.root}` }, record.model.name ?? "not registered here"), hint("root ", hash(record.model.root))] : null,
      ["Assurance", assurance(record)],
      ["Replay", ...replays(record)],
      ["Witnesses", witnesses(cosigners)],
      ["In the log", h("a", { href: "/log" }, verdict.log.origin), hint(`leaf ${record.record_id} of a tree of ${number(verdict.log.size)}, leaf hash `, hash(record.leaf_hash))],
    ),
  );
}

/** Promises, in words, who cosigned the log's latest checkpoint: one request, however many records are shown. */
export async function askCosigners() {
  try {
    const { witnesses: known } = await (await request("/log.json")).json();
    if (!known) return "none: only the log’s own key vouches for it";
    const cosigned = known.keys.filter((key) => key.time).length;
    return `${cosigned} of ${known.keys.length} cosigned the latest checkpoint; the quorum (${known.quorum}) is ${known.met ? "met" : "not met"}`;
  } catch {
    return "not known: the log’s page did not answer";
  }
}

function witnesses(cosigners) {
  const words = h("span", { class: "witnesses" }, "…");
  cosigners.then((sentence) => words.replaceChildren(sentence));
  return words;
}

/** The assurance class in words. It is the operator's claim; only a replay that matched bears it out. */
function assurance(record) {
  if (record.assurance === "attested") return "Attested: the operator’s word only, cannot be replayed.";
  const claim = `replayable: made by the ${record.engine} engine, anyone can run it again`;
  if (record.replays.some((replay) => replay.verdict === "match")) return `R${claim.slice(1)}; a published replay matched.`;
  return `Stated by the operator: ${claim}; no published replay has matched yet.`;
}

/** Who registers a known text later is shown as later. */
export function later({ later_than: earlier }) {
  return earlier === null ? "" : `; later than record ${earlier}, which another operator registered`;
}

function shareWords(record, verdict, own) {
  if (verdict.verdict === "exact") return "all of it";
  if (record.layer === "reworded") return "no passage word for word; see above for what they have in common";
  if (own.length === 0) return `${share(record.matched_permille)}, words that an earlier record has too`;
  const matched = own.reduce((sum, span) => sum + span.end - span.start, 0);
  const permille = Math.floor((matched * 1000) / verdict.checked_chars);
  return `${share(permille)}: ${number(matched)} of ${plural(verdict.checked_chars, "character")}, in ${plural(own.length, "passage")}`;
}

/** Where else the same words are, as links. */
export function others(records) {
  if (records.length === 0) return "";
  const links = records.flatMap((record) => [" ", h("a", { href: `/records/${record.record_id}` }, String(record.record_id))]);
  return h("p", {}, "The same words, in whole or in part, are also in records", links, ".");
}

function replays(record) {
  if (record.replays.length === 0) {
    return [state("wait", "not yet replayed"), hint(h("a", { href: `/records/${record.record_id}#replay-title` }, "Replay it now"), " on this server, or audit the log from yours.")];
  }
  return record.replays.map((replay) => h("p", {}, state(...(REPLAY_STATES[replay.verdict] ?? REPLAY_STATES.not_reproducible)), " ",
    h("a", { href: `/records/${replay.record_id}` }, nameOf(replay.operator)), ", ", when(replay.logged)));
}

const REPLAY_STATES = { match: ["good", "same bits"], mismatch: ["bad", "other bits"], not_reproducible: ["unknown", "could not be replayed"] };

/** How to check without this page, and what a match does not say. */
export function meaning(text, verdict) {
  const best = verdict.records[0];
  const file = `rail-${best.record_id}.receipt.json`;
  return h("section", {},
    h("h2", {}, "Check this yourself"),
    h("ol", { class: "steps" },
      h("li", {}, h("a", { href: `/records/${best.record_id}#proof` }, `Open record ${best.record_id}`), ": your browser checks that it is in the log."),
      h("li", {}, "Download the ", h("a", { href: best.receipt_url, download: file }, "receipt"), " and check it without this server: ", command(`rail verify ${file} --text FILE`)),
      h("li", {}, "Run the model again: ", command(`rail audit ${location.origin}`)),
    ),
    h("div", { class: "actions" }, h("button", { type: "button", on: { click: (event) => download(text, verdict, event.target) } }, "Download the evidence")),
    h("div", { class: "notice" }, h("p", {}, "A match says that the operator had logged these words as the output of a run by that time. It does not say who wrote them first, ",
      "and where nothing is marked ", h("b", {}, "this does not mean that a person wrote it"), ".")),
  );
}

/** One file with the verdict and the receipts that it rests on; the text itself only as its hash. */
async function download(text, verdict, pressed) {
  pressed.disabled = true;
  try {
    const receipts = await Promise.all(verdict.records.map(async (record) => (await request(record.receipt_url)).json()));
    const digest = globalThis.crypto?.subtle && (await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
    const text_sha256 = digest ? Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
    const bundle = new Blob([JSON.stringify({ text_sha256, verdict, receipts }, null, 2)], { type: "application/json" });
    const link = h("a", { href: URL.createObjectURL(bundle), download: `rail-evidence-${verdict.records[0].record_id}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } catch (error) {
    pressed.after(notice(h("p", {}, error.message)));
  } finally {
    pressed.disabled = false;
  }
}

const command = (text) => h("code", { class: "command" }, text);
