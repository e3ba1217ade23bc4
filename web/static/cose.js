// Signed statements: COSE_Sign1 (RFC 9052) with Ed25519, exactly in the form of ledger/SPEC.md.

import { CheckError, concat, equal, sha256, utf8, verifyEd25519 } from "./bytes.js";
import { Tagged, decode } from "./cbor.js";

const ALG_EDDSA = -8;
const CONTENT_TYPE = "application/rail-statement+cbor";

/** @returns {{payload: Map, operator: Uint8Array, signature: Uint8Array, signed: Uint8Array}} */
export function openStatement(bytes) {
  const sign1 = decode(bytes);
  if (!(sign1 instanceof Tagged) || sign1.tag !== 18) throw refuse("not tagged as COSE_Sign1");
  const parts = sign1.value;
  if (!Array.isArray(parts) || parts.length !== 4) throw refuse("not an array of four parts");
  const [protectedBytes, unprotected, payloadBytes, signature] = parts;
  if (![protectedBytes, payloadBytes, signature].every((part) => part instanceof Uint8Array)) {
    throw refuse("a part is not a byte string");
  }
  if (!(unprotected instanceof Map) || unprotected.size !== 0) throw refuse("unprotected headers are not empty");
  if (signature.length !== 64) throw refuse("the signature is not 64 bytes");
  const headers = decode(protectedBytes);
  if (!(headers instanceof Map) || headers.size !== 3) throw refuse("protected headers are not the three expected");
  const operator = headers.get(4);
  if (headers.get(1) !== ALG_EDDSA || headers.get(3) !== CONTENT_TYPE) throw refuse("another algorithm or content type");
  if (!(operator instanceof Uint8Array) || operator.length !== 32) throw refuse("the operator id is not 32 bytes");
  const payload = decode(payloadBytes);
  if (!(payload instanceof Map)) throw refuse("the payload is not a map");
  return { payload, operator, signature, signed: sigStructure(protectedBytes, payloadBytes) };
}

/** True, false, or null where the browser has no Ed25519. The key must be the one that the statement names. */
export async function verifyStatement(statement, publicKey) {
  if (!equal(await sha256(publicKey), statement.operator)) return false;
  return verifyEd25519(publicKey, statement.signature, statement.signed);
}

/** The bytes that were signed: CBOR of ["Signature1", protected, external_aad = empty, payload]. */
function sigStructure(protectedBytes, payloadBytes) {
  const context = utf8("Signature1");
  return concat(
    [0x84, 0x60 | context.length], context,
    byteStringHead(protectedBytes.length), protectedBytes,
    [0x40],
    byteStringHead(payloadBytes.length), payloadBytes,
  );
}

function byteStringHead(length) {
  if (length < 24) return [0x40 | length];
  if (length < 256) return [0x58, length];
  return [0x59, length >> 8, length & 255];
}

function refuse(what) {
  return new CheckError("statement_unreadable", `statement cannot be read: ${what}`);
}
