// The reader's form of a text: markup, hyphens at line ends and look-alike characters set aside, as
// ledger/index/SPEC.md section 1 has it and ledger/index/readable.py does it. Python's \w, \s, ^ and \b are spelled out.

import { Form } from "./units.js";

const BLOCK = "p|br|div|h[1-6]|li|ul|ol|dl|dt|dd|tr|td|th|table|tbody|thead|hr|pre|blockquote|section|article|main|html|body|head";
const INLINE = "a|b|i|u|s|em|strong|span|code|small|sub|sup|mark|del|ins|font|kbd|q|cite|img|abbr";
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LETTER = "[\\p{L}\\p{Nl}\\p{No}]";
const END = "(?![\\p{L}\\p{N}_])[^<>]{0,1000}>";
const MARKUP = new RegExp(
  [
    `(?<block></?(?:${BLOCK})${END})`,
    `(?<inline></?(?:${INLINE})${END}|<!--[^<>]{0,1000}-->)`,
    "(?<entity>&(?:[a-z][a-z0-9]{1,30}|#[0-9]{1,7}|#x[0-9a-f]{1,6});)",
    `!?\\[(?<link>[^\\[\\]\\n]{1,300})\\]\\([^()${SPACE}]{1,1000}\\)`,
    "(?<mark>\\*{1,3}|~~|`{1,3})",
    "(?<![^\\n])(?<line>[ \\t]{0,3}(?:#{1,6} |> ?|[\\-+] ))",
    `(?<=${LETTER})(?<hyphen>[\\-\\u2010][ \\t]{0,3}\\r?\\n[ \\t]{0,8})(?=${LETTER})`,
  ].join("|"),
  "giu",
);
const LOWER = /^\p{Lowercase}/u;
const windows1252 = new TextDecoder("windows-1252");

/** A text as it is: every UTF-16 unit comes from its own place. */
export function asWritten(text) {
  const form = new Form();
  for (let i = 0; i < text.length; i++) form.add(text[i], i, i + 1);
  return form;
}

/** The reader's form. `tables` as of `reader`. */
export function readable(text, tables) {
  return withoutLookAlikes(translated(withoutMarkup(asWritten(text), tables), tables.simplified), tables);
}

function withoutMarkup(source, tables) {
  const form = new Form();
  let place = 0;
  for (const match of source.text.matchAll(MARKUP)) {
    const { 0: markup, index, groups } = match;
    const end = index + markup.length;
    if (groups.hyphen && !LOWER.test(source.text.slice(end))) continue;
    form.copy(source, place, index);
    place = end;
    if (groups.link) {
      const first = index + markup.indexOf("[") + 1;
      form.copy(source, first, first + groups.link.length);
    } else if (groups.block) form.add(" ", index, end);
    else if (groups.entity) form.add(character(markup, tables.entities), index, end);
  }
  form.copy(source, place, source.text.length);
  return form;
}

/** What HTML reads for an entity; one that it does not know stays, but for the longest known name that it begins with. */
function character(entity, names) {
  const name = entity.slice(1);
  if (name[0] === "#") {
    const hexadecimal = /^#x/i.test(name);
    return numbered(hexadecimal ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10));
  }
  for (let length = name.length; length > 1; length--) {
    const known = names.get(name.slice(0, length));
    if (known !== undefined) return known + name.slice(length);
  }
  return entity;
}

function numbered(code) {
  if (code >= 0x80 && code <= 0x9f) return windows1252.decode(Uint8Array.of(code));
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return "\ufffd";
  const control = (code < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d].includes(code)) || code === 0x7f;
  const none = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return control || none ? "" : String.fromCodePoint(code);
}

/** Each character that the table has, replaced. */
function translated(source, table) {
  const form = new Form();
  let place = 0;
  for (const one of source.text) {
    const end = place + one.length;
    const other = table.get(one);
    if (other === undefined) form.copy(source, place, end);
    else form.add(other, source.starts[place], source.ends[end - 1]);
    place = end;
  }
  return form;
}

/** In words that mix scripts, and in a text that has such words in those between them: look-alikes become Latin. */
function withoutLookAlikes(source, tables) {
  const words = Array.from(source.text.matchAll(tables.letters), ({ 0: word, index }) => ({ word, index }));
  const kinds = new Map();
  for (const { word } of words) if (!kinds.has(word)) kinds.set(word, latinWord(word, tables.lookAlikes));
  if ([...kinds].every(([word, latin]) => word === latin)) return source;
  const like = words.map(({ word }) => onlyLatin(replaced(kinds.get(word), tables.lookAlikes)));
  const form = new Form();
  let place = 0;
  words.forEach(({ word, index }, i) => {
    const between = like[i] && (like[i - 1] ?? true) && (like[i + 1] ?? true);
    if (kinds.get(word) === word && (!between || onlyLatin(word))) return;
    form.copy(source, place, index);
    place = index + word.length;
    const part = new Form();
    part.copy(source, index, place);
    const latin = translated(part, tables.lookAlikes);
    form.copy(latin, 0, latin.text.length);
  });
  form.copy(source, place, source.text.length);
  return form;
}

const replaced = (word, table) => Array.from(word, (one) => table.get(one) ?? one).join("");

/** The word with its look-alikes made Latin, if it has Latin letters too and no other letters are left. */
function latinWord(word, lookAlikes) {
  const folded = replaced(word, lookAlikes);
  const mixed = folded !== word && Array.from(word).some((one) => /\p{L}/u.test(one) && isLatin(one));
  return mixed && onlyLatin(folded) ? folded : word;
}

const onlyLatin = (word) => Array.from(word).every(isLatin);

/** Also of marks and what is invisible; and of mathematical and full-width Latin letters. */
function isLatin(one) {
  const code = one.codePointAt(0);
  const within = (first, last) => code >= first && code <= last;
  if (code < 0x250 || within(0x1e00, 0x1eff) || !/\p{L}/u.test(one)) return true;
  return within(0xff21, 0xff5a) || within(0x1d400, 0x1d6a3);
}
