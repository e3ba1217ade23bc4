// The log page: checks the checkpoint's signature, and remembers the log's key so that a change of key is seen.

import { canHash } from "./bytes.js";
import { state } from "./dom.js";
import { compareKey } from "./memory.js";
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

const KEY_WORDS = { new: "your browser will remember this key", same: "the same key as when your browser first saw this log" };

const origin = checkpoint.textContent.split("\n", 1)[0];
const known = compareKey(origin, vkey);
outcome.replaceChildren(await check());
document.getElementById("key-memory").textContent = KEY_WORDS[known] ?? `not the key that your browser first saw for this log: ${known}`;
