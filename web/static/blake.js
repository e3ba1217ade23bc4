// BLAKE2b (RFC 7693) of short messages, for fingerprints: 8 bytes out, no key, with personalisation.

const IV = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const LANES = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15], [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];
const MASK = (1n << 64n) - 1n;
const BLOCK_BYTES = 128;
const ROUNDS = 12;

const rotated = (x, n) => (x >> n) | ((x << (64n - n)) & MASK);

function compress(state, block, length, last) {
  const m = Array.from({ length: 16 }, (_, i) => block.getBigUint64(8 * i, true));
  const v = [...state, ...IV];
  v[12] ^= BigInt(length);
  if (last) v[14] ^= MASK;
  for (let round = 0; round < ROUNDS; round++) {
    const order = SIGMA[round % 10];
    LANES.forEach(([a, b, c, d], lane) => {
      v[a] = (v[a] + v[b] + m[order[2 * lane]]) & MASK;
      v[d] = rotated(v[d] ^ v[a], 32n);
      v[c] = (v[c] + v[d]) & MASK;
      v[b] = rotated(v[b] ^ v[c], 24n);
      v[a] = (v[a] + v[b] + m[order[2 * lane + 1]]) & MASK;
      v[d] = rotated(v[d] ^ v[a], 16n);
      v[c] = (v[c] + v[d]) & MASK;
      v[b] = rotated(v[b] ^ v[c], 63n);
    });
  }
  state.forEach((value, i) => (state[i] = value ^ v[i] ^ v[i + 8]));
}

/** The first 8 bytes as a big-endian number: a BigInt of 64 bits. `person` is ASCII, at most 16 characters. */
export function blake2b64(message, person) {
  const tag = new Uint8Array(16);
  tag.set(new TextEncoder().encode(person));
  const words = new DataView(tag.buffer);
  const state = [...IV];
  state[0] ^= 0x01010008n; // sequential, no key, 8 bytes
  state[6] ^= words.getBigUint64(0, true);
  state[7] ^= words.getBigUint64(8, true);
  for (let start = 0; ; start += BLOCK_BYTES) {
    const block = new Uint8Array(BLOCK_BYTES);
    const part = message.subarray(start, start + BLOCK_BYTES);
    block.set(part);
    const last = start + BLOCK_BYTES >= message.length;
    compress(state, new DataView(block.buffer), start + part.length, last);
    if (last) break;
  }
  const out = new DataView(new ArrayBuffer(8));
  out.setBigUint64(0, state[0], true);
  return out.getBigUint64(0, false);
}
