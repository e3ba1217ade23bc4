// Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint), and the keys that verify them.

import { CheckError, equal, fromBase64, fromHex, sha256, utf8, verifyEd25519 } from "./bytes.js";

const ALG_ED25519 = 1;

/** Parses `name+keyid+base64(alg, key)`; refuses a key id that does not belong to the name and key. */
export async function parseVkey(text) {
  const parts = /^([^+\s]+)\+([0-9a-f]{8})\+(.+)$/.exec(text);
  if (!parts) throw new CheckError("vkey_unreadable", "the log's key is not a verifier key");
  const [, name, id, key] = parts;
  const bytes = fromBase64(key);
  if (bytes[0] !== ALG_ED25519 || bytes.length !== 33) throw new CheckError("vkey_unreadable", "the log's key is not Ed25519");
  const keyId = (await sha256(utf8(`${name}\n`), bytes)).subarray(0, 4);
  if (!equal(keyId, fromHex(id))) throw new CheckError("vkey_unreadable", "the log's key does not match its key id");
  return { name, keyId, publicKey: bytes.subarray(1) };
}

/** @returns {{text: string, signatures: {name: string, keyId: Uint8Array, signature: Uint8Array}[]}} */
export function parseNote(note) {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new CheckError("checkpoint_unreadable", "not a signed note");
  const text = note.slice(0, split + 1);
  const signatures = note.slice(split + 2, -1).split("\n").map((line) => {
    const parts = /^\u2014 ([^+\s]+) (\S+)$/.exec(line);
    const blob = parts ? fromBase64(parts[2]) : new Uint8Array();
    if (blob.length < 5) throw new CheckError("checkpoint_unreadable", "a signature line cannot be read");
    return { name: parts[1], keyId: blob.subarray(0, 4), signature: blob.subarray(4) };
  });
  return { text, signatures };
}

/** @returns {{origin: string, size: number, root: Uint8Array}} */
export function parseCheckpoint(text) {
  const parts = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([^\n]+)\n$/.exec(text);
  const root = parts ? fromBase64(parts[3]) : new Uint8Array();
  if (root.length !== 32) throw new CheckError("checkpoint_unreadable", "not a checkpoint of three lines");
  return { origin: parts[1], size: Number(parts[2]), root };
}

/** True, false, or null where the browser has no Ed25519. Signatures by other keys are ignored. */
export async function verifyNote({ text, signatures }, vkey) {
  const own = signatures.filter(({ name, keyId }) => name === vkey.name && equal(keyId, vkey.keyId));
  if (own.length === 0) return false;
  const results = await Promise.all(own.map(({ signature }) => verifyEd25519(vkey.publicKey, signature, utf8(text))));
  if (results.includes(false)) return false;
  return results.includes(null) ? null : true;
}
