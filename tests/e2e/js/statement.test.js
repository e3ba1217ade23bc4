import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { concat, fromHex, hex, sha256, utf8 } from "../../../web/static/bytes.js";
import { Tagged, decode } from "../../../web/static/cbor.js";
import { openStatement, verifyStatement } from "../../../web/static/cose.js";

test("values of RFC 8949, appendix A, are read", () => {
  const read = (text) => decode(fromHex(text));
  assert.equal(read("00"), 0);
  assert.equal(read("1903e8"), 1000);
  assert.equal(read("1bffffffffffffffff"), 18446744073709551615n);
  assert.equal(read("3903e7"), -1000);
  assert.equal(read("f4"), false);
  assert.equal(read("f6"), null);
  assert.equal(hex(read("4401020304")), "01020304");
  assert.equal(read("63e6b0b4"), "\u6c34");
  assert.deepEqual(read("8301820203820405"), [1, [2, 3], [4, 5]]);
  assert.deepEqual(read("a201020304"), new Map([[1, 2], [3, 4]]));
  assert.deepEqual(read("c11a514b67b0"), new Tagged(1, 1363896240));
});

test("every other encoding of a value is refused", () => {
  const cases = {
    "": "nothing", "1817": "0x17 in two bytes", "190017": "0x17 in three bytes", "1a0000ffff": "a long 16-bit number",
    "1b00000000ffffffff": "a long 32-bit number", "5f42010243030405ff": "indefinite bytes", "9fff": "indefinite array",
    "bfff": "indefinite map", "a203040102": "keys out of order", "a201020102": "a repeated key", "f93c00": "a float",
    "f7": "undefined", "4401": "too short", "0000": "bytes after the value", "62c328": "bad UTF-8",
    "1c": "a reserved form", "9bffffffffffffffff": "a huge array", "c0": "a tag of nothing", "8181818181818181818100": "nesting",
  };
  for (const [text, why] of Object.entries(cases)) {
    assert.throws(() => decode(fromHex(text)), { code: "cbor_invalid" }, why);
  }
});

test("parameters of a generation, negative ones and biases by token id are read", () => {
  const steered = JSON.parse(readFileSync(new URL("../../vectors/ledger/steered.json", import.meta.url), "utf8"));
  const sampling = openStatement(fromHex(steered.statement.entry)).payload.get("sampling");
  assert.deepEqual(Object.fromEntries(sampling), steered.statement.fields.sampling);
  assert.deepEqual(decode(fromHex(steered.prompt.content)).get("bias"), new Map([[13, -100000000], [700, 1500000]]));
});

// A second, naive encoder, so that signing here shares nothing with the code under test.
const head = (major, count) => (count < 24 ? [(major << 5) | count] : count < 256 ? [(major << 5) | 24, count] : [(major << 5) | 25, count >> 8, count & 255]);
const bstr = (bytes) => concat(head(2, bytes.length), bytes);
const tstr = (text) => concat(head(3, utf8(text).length), utf8(text));

async function signed({ algorithm = [0x27], unprotected = [0xa0], payloadSize = 300 } = {}) {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const operator = await sha256(publicKey);
  const headers = concat([0xa3, 0x01], algorithm, [0x03], tstr("application/rail-statement+cbor"), [0x04], bstr(operator));
  const payload = concat([0xa1], tstr("x"), bstr(new Uint8Array(payloadSize)));
  const toSign = concat([0x84], tstr("Signature1"), bstr(headers), bstr(new Uint8Array()), bstr(payload));
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, toSign));
  return { publicKey, bytes: concat([0xd2, 0x84], bstr(headers), unprotected, bstr(payload), bstr(signature)) };
}

test("a signed statement verifies at every length of its payload's head", async () => {
  for (const payloadSize of [0, 10, 100, 300]) {
    const { bytes, publicKey } = await signed({ payloadSize });
    assert.equal(await verifyStatement(openStatement(bytes), publicKey), true);
  }
});

test("any flipped byte is unreadable or does not verify", async () => {
  const { bytes, publicKey } = await signed({ payloadSize: 8 });
  for (let i = 0; i < bytes.length; i++) {
    const flipped = bytes.slice();
    flipped[i] ^= 1;
    let statement;
    try {
      statement = openStatement(flipped);
    } catch (error) {
      assert.match(error.code, /^(cbor_invalid|statement_unreadable)$/, `byte ${i}`);
      continue;
    }
    assert.equal(await verifyStatement(statement, publicKey), false, `byte ${i}`);
  }
});

test("another key, another algorithm and unprotected headers are refused", async () => {
  const [one, two] = [await signed(), await signed()];
  assert.equal(await verifyStatement(openStatement(one.bytes), two.publicKey), false);
  for (const options of [{ algorithm: [0x26] }, { unprotected: [0xa1, 0x01, 0x27] }]) {
    const { bytes } = await signed(options);
    assert.throws(() => openStatement(bytes), { code: "statement_unreadable" });
  }
});
