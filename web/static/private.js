// Private lookup: fingerprints are made here, the server is asked for buckets of them only. ledger/index/SPEC.md section 12.

import { blake2b64 } from "./blake.js";
import { CheckError, utf8 } from "./bytes.js";
import { request } from "./http.js";
import { readable } from "./readable.js";
import { normalForm, reader, unitsOf } from "./units.js";

const WORD = 5;
const SHINGLE_WEIGHT = 5 * WORD;
const RUN_WEIGHT = 8 * WORD;
const EVIDENCE_WEIGHT = 16 * WORD;
const CHECKED_WEIGHT = 20_000 * WORD;
const WINDOW = 4;
const PAGE_BYTES = 8192;
const AT_ONCE = 6;

let tables; // of the characters, once they were asked for

/** `{ hash (64 bits), start, end }` in units: the shingles that winnowing keeps. SPEC.md section 3. */
export function fingerprints(units, rules) {
  const shingles = [];
  const { words, totals } = units;
  for (let start = 0, end = 0; start < words.length && totals.at(-1) >= totals[start] + SHINGLE_WEIGHT; start++) {
    while (totals[end] < totals[start] + SHINGLE_WEIGHT) end++;
    shingles.push({ hash: blake2b64(utf8(words.slice(start, end).join(" ")), rules), start, end });
  }
  const window = Math.min(WINDOW, shingles.length);
  const kept = new Set();
  for (let last = window - 1; last >= 0 && last < shingles.length; last++) {
    let least = last;
    for (let i = last - 1; i > last - window; i--) {
      if (BigInt.asIntN(64, shingles[i].hash) < BigInt.asIntN(64, shingles[least].hash)) least = i;
    }
    kept.add(least);
  }
  return shingles.filter((_, i) => kept.has(i));
}

/** The bucket's records by fingerprint. Throws CheckError for anything but the canonical form. */
export function readBucket(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length >= 4 ? view.getUint32(0) : 0;
  const end = 4 + 16 * count;
  if (bytes.length < PAGE_BYTES || bytes.length !== Math.ceil(end / PAGE_BYTES) * PAGE_BYTES) {
    throw new CheckError("bucket", "The server sent a bucket that cannot be read.");
  }
  const found = new Map();
  for (let place = 4; place < end; place += 16) {
    const hash = view.getBigUint64(place);
    if (!found.has(hash)) found.set(hash, []);
    found.get(hash).push(Number(view.getBigUint64(place + 8)));
  }
  return found;
}

/** Runs of units that neighbouring fingerprints cover which one record has all, longest first. */
function runsOf(prints, recordsOf) {
  const found = [];
  const unfinished = new Map();
  for (const { hash, start, end } of prints) {
    const having = new Set(recordsOf.get(hash) ?? []);
    for (const record of [...unfinished.keys()].filter((record) => !having.has(record))) {
      found.push(unfinished.get(record));
      unfinished.delete(record);
    }
    for (const record of having) unfinished.set(record, { record, start: unfinished.get(record)?.start ?? start, end });
  }
  found.push(...unfinished.values());
  return found;
}

/** Runs without overlap: the longest takes its units first, what is left of the others competes on. */
function cover(runs, weight) {
  const taken = new Set();
  const chosen = [];
  const queue = [...runs];
  while (queue.length > 0) {
    queue.sort((a, b) => weight(a) - weight(b) || b.record - a.record || b.start - a.start);
    const run = queue.pop();
    const free = [];
    for (let i = run.start; i < run.end; i++) {
      if (taken.has(i)) continue;
      if (free.at(-1)?.end === i) free.at(-1).end++;
      else free.push({ record: run.record, start: i, end: i + 1 });
    }
    if (free.length === 1 && weight(free[0]) === weight(run)) {
      chosen.push(run);
      for (let i = run.start; i < run.end; i++) taken.add(i);
    } else queue.push(...free);
  }
  return chosen.sort((a, b) => a.start - b.start);
}

function shuffled(list) {
  for (let i = list.length - 1; i > 0; i--) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (i + 1);
    [list[i], list[other]] = [list[other], list[i]];
  }
  return list;
}

async function bucketsOf(prefixes, bits, progress) {
  const recordsOf = new Map();
  const waiting = shuffled(prefixes);
  const all = waiting.length;
  const work = async () => {
    while (waiting.length > 0) {
      const response = await request(`/api/private/buckets/${bits}/${waiting.pop()}`);
      const bucket = readBucket(new Uint8Array(await response.arrayBuffer()));
      for (const [hash, records] of bucket) recordsOf.set(hash, records);
      progress(all - waiting.length, all);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return recordsOf;
}

/** A verdict as of `/api/verify`, with `asked`: what the server was told. `progress(done, all)` counts buckets. */
export async function lookUp(text, progress) {
  tables ??= await (await request("/api/private/characters")).json();
  const service = await (await request("/api/private")).json();
  const characters = reader(tables);
  const form = normalForm(readable(text, characters), characters);
  const units = unitsOf(form, characters, CHECKED_WEIGHT);
  const total = units.totals.at(-1);
  const empty = { spans: [], records: [], log: service.log };
  if (total < RUN_WEIGHT) {
    return { ...empty, verdict: "unchecked", reason_code: "too_short", reason: "fewer than 8 words occur by chance; paste more of the text" };
  }
  const prints = fingerprints(units, tables.rules);
  const bits = service.prefix_bits;
  const prefixes = [...new Set(prints.map(({ hash }) => hash >> BigInt(64 - bits)))];
  const asked = { buckets: prefixes.length, prefix_bits: bits };
  const recordsOf = await bucketsOf(prefixes, bits, progress);
  const weight = (run) => units.totals[run.end] - units.totals[run.start];
  const known = runsOf(prints, recordsOf).filter((run) => weight(run) >= RUN_WEIGHT);
  const needed = Math.max(RUN_WEIGHT, Math.min(EVIDENCE_WEIGHT, Math.floor(total / 2)));
  const proved = new Set(known.filter((run) => weight(run) >= needed).map((run) => run.record));
  if (proved.size === 0 && !service.complete) {
    return { ...empty, asked, verdict: "unchecked", reason_code: "index_incomplete", reason: "the index is being built; try again later" };
  }
  const spans = cover(known.filter((run) => proved.has(run.record)), weight).map((run) => {
    const place = { start_utf16: form.starts[units.starts[run.start]], end_utf16: form.ends[units.ends[run.end - 1] - 1] };
    return { record_id: run.record, ...place, words: Math.floor(weight(run) / WORD) };
  });
  return { ...empty, asked, verdict: proved.size > 0 ? "excerpt" : "none", spans, records: [...proved].sort((a, b) => a - b) };
}
