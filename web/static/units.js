// Normal form and units of a text, as ledger/index/SPEC.md sections 1 and 2 have them. Characters have the properties
// that the server's tables say, so that both come to the same fingerprints.

import { CheckError } from "./bytes.js";

const EXTENDERS_MAX = 30;
const SHORT = { " ": " ", "-": "-", ".": "..." };
const WEIGHTS = [5, 4, 1]; // a word, a wide character, a dense letter

const ranges = (list) => list.map(([first, last]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`).join("");

/** Patterns and tables from `/api/private/characters`. */
export function reader({ classes, casefold, fold_before: before, fold_after: after, look_alikes: lookAlikes, simplified, entities }) {
  const { dropped, extenders, marks, dense, wide } = Object.fromEntries(
    Object.entries(classes).map(([name, list]) => [name, ranges(list)]),
  );
  const word = `(?:(?![_${wide}${dense}])[\\p{L}\\p{N}])`;
  const letter = `(?:(?![${wide}${dense}])[\\p{L}\\p{Nl}\\p{No}])`;
  return {
    lookAlikes: new Map(Object.entries(lookAlikes)),
    simplified: new Map(Object.entries(simplified)),
    entities: new Map(Object.entries(entities)),
    letters: new RegExp(`${letter}(?:[${dropped}${marks}]*${letter})*`, "gu"),
    casefold,
    before,
    after,
    dropped: new RegExp(`^[${dropped}]$`, "u"),
    segment: new RegExp(`.[${extenders}]{0,${EXTENDERS_MAX}}`, "gsu"),
    units: new RegExp(`(${word}+(?:[${marks}]+${word}*|'${word}+)*)|([${wide}][${marks}]*)|([${dense}][${marks}]*)`, "gu"),
    known: new Map(),
  };
}

const mapped = (text, table) => Array.from(text, (character) => table[character] ?? character).join("");

/** Normal form of a character with its extenders, before runs are shortened. */
function folded(segment, tables) {
  let form = tables.known.get(segment);
  if (form === undefined) {
    const composed = mapped(segment, tables.before).normalize("NFKC");
    const lower = Array.from(composed, (character) => tables.casefold[character] ?? character.toLowerCase()).join("");
    form = mapped(lower.normalize("NFKC"), tables.after);
    tables.known.set(segment, form);
  }
  return form;
}

/** Text that grows; each of its UTF-16 units knows where in the original it came from. */
export class Form {
  text = "";
  starts = [];
  ends = [];

  add(part, start, end) {
    this.text += part;
    for (let i = 0; i < part.length; i++) {
      this.starts.push(start);
      this.ends.push(end);
    }
  }

  /** Adds form[from:to] as it is. */
  copy(form, from, to) {
    for (let i = from; i < to; i++) this.add(form.text[i], form.starts[i], form.ends[i]);
  }
}

/** The normal form of a form of a text, `asWritten` or `readable`. Throws CheckError for half of a surrogate pair. */
export function normalForm(original, tables) {
  if (!original.text.isWellFormed()) throw new CheckError("text_surrogate", "The text holds half of a surrogate pair.");
  const visible = new Form();
  let place = 0;
  for (const character of original.text) {
    const end = place + character.length;
    if (!tables.dropped.test(character)) visible.add(character, original.starts[place], original.ends[end - 1]);
    place = end;
  }
  const whole = new Form();
  for (const { 0: segment, index } of visible.text.matchAll(tables.segment)) {
    whole.add(folded(segment, tables), visible.starts[index], visible.ends[index + segment.length - 1]);
  }
  return shortened(whole);
}

/** Runs of spaces, dashes and dots made short; no spaces at the ends. */
function shortened(whole) {
  const form = new Form();
  const last = whole.text.trimEnd().length;
  let place = whole.text.length - whole.text.trimStart().length;
  for (const { 0: run, index } of whole.text.matchAll(/ {2,}|-{2,}|\.{4,}/g)) {
    if (index < place || index >= last) continue;
    form.copy(whole, place, index);
    place = index + run.length;
    form.add(SHORT[run[0]], whole.starts[index], whole.ends[place - 1]);
  }
  form.copy(whole, place, last);
  return form;
}

/** The units of a normal form: `{ words, starts, ends, totals }`, up to a weight. */
export function unitsOf(form, tables, weightMax) {
  const units = { words: [], starts: [], ends: [], totals: [0] };
  for (const match of form.text.matchAll(tables.units)) {
    const total = units.totals.at(-1) + WEIGHTS[match.slice(1).findIndex((group) => group !== undefined)];
    if (total > weightMax) break;
    units.words.push(match[0]);
    units.starts.push(match.index);
    units.ends.push(match.index + match[0].length);
    units.totals.push(total);
  }
  return units;
}
