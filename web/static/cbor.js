// A strict reader for the deterministic CBOR (RFC 8949, 4.2) that statements use: integers, byte strings,
// text strings, arrays, maps, false, true, null and tags. Every value has exactly one encoding that it accepts.

import { CheckError, hex } from "./bytes.js";

const DEPTH_MAX = 8;

export class Tagged {
  constructor(tag, value) {
    this.tag = tag;
    this.value = value;
  }
}

/** Integers beyond 2^53 are BigInt, maps are Map, byte strings are Uint8Array views into `bytes`. */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.item(0);
  if (reader.offset !== bytes.length) throw refuse("bytes after the value", reader.offset);
  return value;
}

function refuse(what, offset) {
  return new CheckError("cbor_invalid", `CBOR cannot be read: ${what} at byte ${offset}`);
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.offset = 0;
  }

  take(count) {
    if (count > this.bytes.length - this.offset) throw refuse("the value ends too early", this.offset);
    this.offset += count;
    return this.bytes.subarray(this.offset - count, this.offset);
  }

  /** The argument of an initial byte, as BigInt; refuses any that is not in its shortest form. */
  argument(short) {
    if (short < 24) return BigInt(short);
    if (short > 27) throw refuse("an indefinite length or a reserved form", this.offset - 1);
    const width = 1 << (short - 24);
    const value = this.take(width).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const least = width === 1 ? 24n : 1n << BigInt(4 * width);
    if (value < least) throw refuse("a number that is not in its shortest form", this.offset - width);
    return value;
  }

  item(depth) {
    if (depth > DEPTH_MAX) throw refuse("nesting too deep", this.offset);
    const initial = this.take(1)[0];
    const major = initial >> 5;
    if (major === 7) return this.simple(initial & 31);
    const argument = this.argument(initial & 31);
    if (major === 0) return integer(argument);
    if (major === 1) return integer(-1n - argument);
    // Each element takes at least one byte, so no length can exceed what is left.
    if (major < 6 && argument > BigInt(this.bytes.length - this.offset)) throw refuse("a length too large", this.offset);
    const count = Number(argument);
    if (major === 2) return this.take(count);
    if (major === 3) return this.text(count);
    if (major === 4) return Array.from({ length: count }, () => this.item(depth + 1));
    if (major === 5) return this.map(count, depth);
    return new Tagged(count, this.item(depth + 1));
  }

  simple(short) {
    if (short === 20) return false;
    if (short === 21) return true;
    if (short === 22) return null;
    throw refuse("a floating-point or unknown simple value", this.offset - 1);
  }

  text(count) {
    const start = this.offset;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.take(count));
    } catch (error) {
      throw error instanceof CheckError ? error : refuse("text that is not UTF-8", start);
    }
  }

  map(count, depth) {
    const entries = new Map();
    let before = "";
    for (let i = 0; i < count; i++) {
      const start = this.offset;
      const key = this.item(depth + 1);
      // Lower-case hex of the encoded keys sorts as the bytes do.
      const encoded = hex(this.bytes.subarray(start, this.offset));
      if (i > 0 && encoded <= before) throw refuse("map keys repeated or out of order", start);
      before = encoded;
      entries.set(key, this.item(depth + 1));
    }
    return entries;
  }
}

function integer(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
