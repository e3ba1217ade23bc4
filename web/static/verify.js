// The verify page: pasted text in, evidence out.

import { h, hash, hint, nameOf, plural, share, state } from "./dom.js";
import { askCosigners, evidence, later, meaning, others } from "./evidence.js";
import { post } from "./http.js";
import { takeOver } from "./memory.js";
import { cut } from "./spans.js";

const SHOWN_RECORDS = 3;
const ECHO_NOTED_PERMILLE = 200;
const form = document.getElementById("verify");
const field = document.getElementById("text");
const privately = document.getElementById("private");
const button = document.getElementById("check");
const progress = document.getElementById("progress");
const answer = document.getElementById("verdict");
const details = document.getElementById("evidence");

/** The result states: kind of icon and colour, and the words that name them. */
const STATES = {
  exact: ["good", "Exact match"],
  excerpt: ["part", "Part of your text"],
  edited: ["part", "Edited copy"],
  reworded: ["wait", "Reworded, perhaps"],
  none: ["none", "Not found in these logs"],
  unchecked: ["unknown", "Could not check"],
};

async function verify(text) {
  button.disabled = true;
  progress.textContent = "Looking…";
  try {
    if (privately.checked) {
      const { lookUp } = await import("./private.js"); // a third of all code, so only who wants it waits for it
      return showPrivate(text, await lookUp(text, counted));
    }
    const response = await post("/api/verify", JSON.stringify({ text }));
    show(text, await response.json());
  } catch (error) {
    show(text, { verdict: "unchecked", reason: error.message, reason_code: error.code, spans: [], records: [] });
  } finally {
    button.disabled = false;
    progress.textContent = "";
  }
}

const counted = (done, all) => (progress.textContent = `${done} of ${plural(all, "bucket")}`);

/** The answer to a private lookup: what this page found out by itself. */
function showPrivate(text, verdict) {
  const [kind, words] = STATES[verdict.verdict];
  const found = verdict.records.map((record) => h("a", { href: `/records/${record}` }, `record ${record}`));
  const sentences = {
    excerpt: ["The marked passages are in the public output of ", found.flatMap((link, i) => (i > 0 ? [", ", link] : [link])), ". To open a record tells the server which one."],
    none: ["No public record holds 16 words in a row of this text. ", h("b", {}, "This does not mean that a person wrote it.")],
    unchecked: [sentence(verdict.reason ?? "")],
  };
  answer.replaceChildren(h("div", { class: `verdict ${kind === "unknown" ? "none" : kind}`, "data-verdict": verdict.verdict },
    h("ul", { class: "states" }, h("li", {}, state(kind, words))),
    h("p", {}, ...sentences[verdict.verdict].flat()),
    verdict.asked ? h("p", { class: "soft small", id: "asked" }, `The server was asked for ${plural(verdict.asked.buckets, "bucket")} by numbers of ${plural(verdict.asked.prefix_bits, "bit")}. It did not see the text.`) : "",
  ));
  details.replaceChildren(verdict.spans.length > 0 ? highlighted(text, verdict) : "");
  answer.scrollIntoView({ block: "nearest" });
}

function show(text, verdict) {
  const cosigners = verdict.records.length > 0 ? askCosigners() : null;
  answer.replaceChildren(headline(verdict));
  details.replaceChildren(
    verdict.spans.length > 0 ? highlighted(text, verdict) : "",
    ...verdict.records.slice(0, SHOWN_RECORDS).map((record, rank) => evidence(record, verdict, rank, cosigners)),
    others(verdict.records.slice(SHOWN_RECORDS)),
    verdict.records.length > 0 ? meaning(text, verdict) : "",
  );
  answer.scrollIntoView({ block: "nearest" });
}

function headline(verdict) {
  const [kind, words] = STATES[verdict.verdict] ?? STATES.unchecked;
  const [best] = verdict.records;
  const chips = [h("li", {}, state(kind, words))];
  if (best && verdict.verdict !== "none") chips.push(h("li", {}, replayState(best)));
  return h(
    "div",
    { class: `verdict ${kind === "unknown" ? "none" : kind}`, "data-verdict": verdict.verdict },
    h("ul", { class: "states" }, chips),
    ...(HEADLINES[verdict.verdict] ?? HEADLINES.unchecked)(verdict, best),
  );
}

const HEADLINES = {
  exact: (verdict, best) => [
    h("h2", {}, `Run ${best.record_id} put out exactly this text`),
    h("p", {}, `${EXACT_LAYERS[verdict.layer] ?? EXACT_LAYERS.normalised} First registered ${spoken(best.logged)}, by the log’s clock, by ${nameOf(best.operator)}${later(best)}.`),
    verdict.records.length > 1 ? h("p", {}, `${verdict.records.length} records hold the same text${registrants(verdict)}.`) : "",
    best.echo_permille >= ECHO_NOTED_PERMILLE ? h("p", {}, h("b", {}, "Its prompt already contained part of this text"), `, ${share(best.echo_permille)} of it: a model can be made to repeat anyone’s words.`) : "",
  ],
  excerpt: (verdict, best) => [
    h("h2", {}, `${plural(verdict.longest_run_words, "word")} in a row come from ${runs(verdict)}`),
    h("p", {}, `The marked passages below are word for word what the run put out. The rest of your text was not found.`),
    verdict.registrants > 1 ? h("p", {}, `${verdict.records.length} records have passages of it${registrants(verdict)}.`) : "",
    verdict.spans.some((span) => span.subtracted) ? h("p", {}, "Passages that the run’s own prompt already contained are not counted.") : "",
  ],
  edited: (verdict, best) => [
    h("h2", {}, `An edited copy of what run ${best.record_id} put out`),
    h("p", {}, `${share(best.resemblance.aligned_permille)} of ${windowOf(verdict, best)} stands in the run’s output word for word and in the same order; it is marked below. First registered ${spoken(best.logged)}, by the log’s clock, by ${nameOf(best.operator)}${later(best)}.`),
    errorRate(verdict),
  ],
  reworded: (verdict, best) => [
    h("h2", {}, `This text resembles what run ${best.record_id} put out`),
    h("p", {}, h("b", {}, "A weaker claim: "), `${share(best.resemblance.terms_permille)} of the words of ${windowOf(verdict, best)}, weighted by how rare they are, stand in that output, far more than in any other. Another answer to the same prompt can look like this too.`),
    errorRate(verdict),
  ],
  none: (verdict) => [
    h("h2", {}, "No logged run put out this text"),
    h("p", {}, `Checked against log ${verdict.log.origin}: ${plural(verdict.log.size, "entry").replace("entrys", "entries")}, ${spoken(verdict.log.time)}. `,
      h("b", {}, "This does not mean that a person wrote it.")),
    verdict.spans.length > 0 ? h("p", {}, "The marked passages stood in a run’s prompt already, or are phrases that many outputs or operators have, so they do not count.") : "",
    h("p", { class: "soft" }, "Other models and other logs are not covered, and a copy that was reworded thoroughly is not found."),
  ],
  unchecked: (verdict) => [
    h("h2", {}, "This text could not be checked"),
    h("p", {}, sentence(verdict.reason ?? "The server gave no reason.")),
    verdict.reason_code ? h("p", { class: "soft small" }, "Code ", hash(verdict.reason_code)) : "",
  ],
};

const EXACT_LAYERS = {
  raw: "The same text, byte for byte.",
  normalised: "The same text once spaces, quotation marks and invisible characters are set aside.",
  folded: "The same text once markup, hyphens at line ends, look-alike letters and Chinese character variants are set aside.",
};

function replayState(record) {
  const matches = record.replays.filter((replay) => replay.verdict === "match").length;
  const mismatches = record.replays.filter((replay) => replay.verdict === "mismatch").length;
  if (mismatches > 0) return state("bad", `Replayed, ${plural(mismatches, "auditor")} got other bits`);
  if (matches > 0) return state("good", `Replayed to the same bits, ${plural(matches, "time")}`);
  return state("wait", "Found, not yet replayed");
}

const HOLDERS = { outputs: "logged outputs", registrants: "operators" };

function highlighted(text, verdict) {
  const pieces = cut(text, verdict.spans).map(({ text: piece, span }) => {
    if (!span) return piece;
    if (span.subtracted === "prompt") return h("mark", { class: "echo", title: "already in the run’s prompt, not counted" }, piece);
    if (span.subtracted === "common") return h("mark", { class: "echo", title: `a phrase that many ${HOLDERS[span.common_to]} have, not counted` }, piece);
    return h("mark", span.common_to ? { title: `many ${HOLDERS[span.common_to]} have this passage` } : {}, piece, h("a", { href: `/records/${span.record_id}`, "aria-label": `record ${span.record_id}` }, String(span.record_id)));
  });
  const echoes = verdict.spans.some((span) => span.subtracted);
  return h("section", { "aria-label": "Your text, with matches marked" },
    h("h2", {}, "Your text"),
    h("div", { class: "sheet" }, h("p", { class: "prose", id: "marked" }, pieces)),
    hint("Marked: found in the record of that number.", echoes ? " Dotted: repeated from the run’s own prompt, or a phrase that many outputs or operators have; not counted." : "",
      verdict.spans.some((span) => !span.subtracted && span.common_to) ? " Some marked passages are in many outputs or of many operators: they show no run in particular." : "",
      verdict.search_capped ? " More records share short phrases with this text than were compared." : "",
      verdict.truncated ? ` Only the first ${plural(verdict.checked_chars, "character")} were checked.` : ""),
  );
}

const spoken = (time) => time.replace("T", " at ").replace("Z", " UTC");
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function registrants({ registrants: count, first_registered: first }) {
  return count > 1 ? `, of ${count} operators; the first was ${first.record_id}, ${spoken(first.logged)}, by ${nameOf(first.operator)}` : "";
}

function windowOf(verdict, record) {
  const whole = record.resemblance.end - record.resemblance.start >= 0.9 * verdict.text_chars;
  return whole ? "your text" : `characters ${record.resemblance.start} to ${record.resemblance.end} of your text`;
}

function errorRate({ calibration }) {
  if (!calibration) return "";
  return h("p", { class: "soft small" }, `False alarms: at most about ${calibration.error_ppm / 10000} % of ${calibration.negatives}.`);
}

function runs(verdict) {
  const count = verdict.records.length;
  return count === 1 ? `run ${verdict.records[0].record_id}` : `${count} logged runs`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  verify(field.value);
});

field.value = takeOver() ?? field.value;
button.disabled = false;
