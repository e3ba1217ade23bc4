// The generate page: streams a completion and shows the record that it became.

import { canHash, fromBase64, hex } from "./bytes.js";
import { openStatement } from "./cose.js";
import { facts, h, hash, hint, notice, plural, state } from "./dom.js";
import { events, post, request, ServiceError } from "./http.js";
import { handOver } from "./memory.js";
import { leafHash } from "./merkle.js";

const SEED_MAX = 2n ** 63n - 1n;
const NUMBERS = ["max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty"];
const form = document.getElementById("generate");
const [start, stop, progress, result, output, record] =
  ["start", "stop", "progress", "result", "output", "record"].map((id) => document.getElementById(id));
const value = (id) => document.getElementById(id).value.trim();
let running = null;

/** JSON written by hand where a number must stay exactly what was typed: a seed may exceed 2^53. */
function body(prompt) {
  const visibility = form.elements.visibility.value;
  const numbers = NUMBERS.map((id) => `"${id}":${decimal(value(id))}`);
  const seed = value("seed") === "" ? [] : [`"seed":${BigInt(value("seed"))}`];
  const texts = JSON.stringify({ model: form.dataset.model, prompt, stream: true, rail_visibility: visibility });
  return `${texts.slice(0, -1)},${[...numbers, ...seed].join(",")}}`;
}

/** A typed decimal in JSON's grammar: ".5" becomes "0.5", "007" becomes "7". */
const decimal = (typed) => typed.replace(/^0+(?=[0-9])/, "").replace(/^\./, "0.");

async function generate() {
  const prompt = document.getElementById("prompt").value;
  const written = h("span", { class: "caret" });
  running = new AbortController();
  record.replaceChildren();
  output.replaceChildren(h("span", { class: "given" }, prompt), written);
  result.hidden = false;
  busy(true, "Generating…");
  let rail = null;
  try {
    const response = await post("/v1/completions", body(prompt), running.signal);
    for await (const data of events(response)) {
      if (data === "[DONE]") continue;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ServiceError(chunk.error.code, chunk.error.message);
      written.append(chunk.choices?.[0]?.text ?? "");
      rail = chunk.rail ?? rail;
    }
    if (rail === null) throw new ServiceError("incomplete", "The stream ended before the record was written.");
    await show(rail, written.textContent);
  } catch (error) {
    const stopped = error.name === "AbortError";
    progress.textContent = stopped ? "Stopped. What was generated until then is in the log." : "";
    if (stopped) record.replaceChildren(h("p", { class: "notice" }, "Its record is the newest in the list of ", h("a", { href: "/records" }, "records"), "."));
    else record.replaceChildren(notice(h("p", {}, error.message), h("p", { class: "small" }, "Code ", hash(error.code ?? "unknown"))));
  } finally {
    written.classList.remove("caret");
    busy(false);
  }
}

/** Shows the record from its signed bytes, not from what the stream said about it. */
async function show(rail, text) {
  const details = await (await request(`/api/records/${rail.record_id}`)).json();
  const bytes = fromBase64(details.statement_cose);
  const { payload } = openStatement(bytes);
  const sampling = payload.get("sampling");
  const agrees = canHash() ? hex(await leafHash(bytes)) === rail.leaf_hash : null;
  const file = `rail-${rail.record_id}.receipt.json`;
  progress.textContent = `Finished: ${plural(payload.get("output_tokens"), "token")}, record ${rail.record_id}.`;
  record.replaceChildren(h("section", {},
    h("h2", {}, "Logged as ", h("a", { href: `/records/${rail.record_id}`, id: "record-link" }, `record ${rail.record_id}`)),
    facts(
      ["Seed", h("span", { class: "numeric", id: "used-seed" }, String(sampling.get("seed"))), hint("with this model, prompt and settings, it gives these bits again")],
      ["Tokens", `${payload.get("prompt_tokens")} in, ${payload.get("output_tokens")} out`],
      ["Leaf hash", h("code", { id: "leaf-hash" }, rail.leaf_hash), agrees === null ? null : hint(agrees ? state("good", "your browser gets the same hash") : state("bad", "your browser gets another hash"))],
      ["Receipt", h("a", { href: rail.receipt_url, download: file }, file), hint(rail.receipt_url.includes("key=") ? "Keep it: it alone opens the text, and this page does not show it again." : "enough for a check without this server")],
    ),
    h("div", { class: "actions" }, h("button", { type: "button", on: { click: () => handOver(text) } }, "Verify this text"))));
}

function busy(on, words) {
  start.disabled = on;
  stop.hidden = !on;
  if (words) progress.textContent = words;
}

function checkSeed() {
  const seed = document.getElementById("seed");
  const large = /^[0-9]+$/.test(seed.value.trim()) && BigInt(seed.value.trim()) > SEED_MAX;
  seed.setCustomValidity(large ? `A seed is at most ${SEED_MAX}.` : "");
}

document.getElementById("seed").addEventListener("input", checkSeed);
// A browser cannot point at a wrong value inside closed details.
form.addEventListener("invalid", (event) => event.target.closest("details")?.setAttribute("open", ""), true);
stop.addEventListener("click", () => running?.abort());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  generate();
});
start.disabled = false;
