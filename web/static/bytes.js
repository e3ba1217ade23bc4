// Byte strings and the strict conversions that the checks need.

/** A value that was offered as evidence and cannot be read or does not hold. `code` is stable. */
export class CheckError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export const utf8 = (text) => new TextEncoder().encode(text);

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new CheckError("not_hex", "not lower-case hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toBase64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Standard base64 with padding. Exactly one text per byte string: anything else is refused. */
export function fromBase64(text) {
  let binary;
  try {
    binary = atob(text);
  } catch {
    throw new CheckError("not_base64", "not standard base64");
  }
  if (btoa(binary) !== text) throw new CheckError("not_base64", "base64 is not in its canonical form");
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** False on a page that was loaded without HTTPS from another machine: browsers then withhold WebCrypto. */
export const canHash = () => globalThis.crypto?.subtle !== undefined;

export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

/**
 * True or false for an Ed25519 signature; null where this browser has no Ed25519.
 * Lengths are checked here so that a short key is a failed check, not a missing feature.
 */
export async function verifyEd25519(publicKey, signature, message) {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (!canHash()) return null;
  let key;
  try {
    key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") return null;
    return false;
  }
  return crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
}
