// What this browser remembers between pages: the first key of each log, and a text on its way to the verify page.
// Storage may be switched off; then nothing is remembered and nothing breaks.

const TEXT = "rail-text-to-verify";

/** Trust on first use: "new", "same", or the other key that this browser first saw for the log. */
export function compareKey(origin, vkey) {
  const name = `rail-log-key:${origin}`;
  const known = read(localStorage, name);
  if (known === null) write(localStorage, name, vkey);
  if (known === null) return "new";
  return known === vkey ? "same" : known;
}

/** Opens the verify page with a text filled in. The text stays in this tab and out of every URL. */
export function handOver(text) {
  write(sessionStorage, TEXT, text);
  location.href = "/verify";
}

/** The text that was handed over, once; null without one. */
export function takeOver() {
  const text = read(sessionStorage, TEXT);
  if (text !== null) sessionStorage.removeItem(TEXT);
  return text;
}

function read(storage, name) {
  try {
    return storage.getItem(name);
  } catch {
    return null;
  }
}

function write(storage, name, value) {
  try {
    storage.setItem(name, value);
  } catch {
    // Full or forbidden: the browser forgets.
  }
}
