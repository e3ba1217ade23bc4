// The log page: checks the checkpoint's signature, and remembers the log's key so that a change of key is seen.

import { canHash } from "./bytes.js";
import { state } from "./dom.js";
import { parseNote, parseVkey, verifyNote } from "./note.js";

const checkpoint = document.getElementById("checkpoint");
const outcome = document.getElementById("signature");
const vkey = checkpoint.dataset.vkey;

async function check() {
  if (!canHash()) return state("unknown", "not checked by this browser");
  try {
    const valid = await verifyNote(parseNote(checkpoint.textContent), await parseVkey(vkey));
    if (valid === null) return state("unknown", "not checked by this browser");
    return valid ? state("good", "valid for this key, checked by your browser") : state("bad", "not valid for this key");
  } catch (error) {
    return state("bad", error.message);
  }
}

/** Trust on first use: a key that changes for an origin is either a new log or another log in its place. */
function remember() {
  const origin = checkpoint.textContent.split("\n", 1)[0];
  const name = `rail-log-key:${origin}`;
  const known = localStorage.getItem(name);
  if (known === null) localStorage.setItem(name, vkey);
  if (known === null || known === vkey) return known === null ? "your browser will remember this key" : "the same key as when your browser first saw this log";
  return `not the key that your browser first saw for this log: ${known}`;
}

outcome.replaceChildren(await check());
document.getElementById("key-memory").textContent = remember();
