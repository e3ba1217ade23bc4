/* BLAKE2b as RFC 7693 section 3 has it. Each word of the state is a vector of those of four texts: the compiler makes
 * of it what the processor has. One body, compiled for any processor and once more for those with AVX2. */
#include "blake2b.h"

#define BLOCK 128
#define INLINE static inline __attribute__((always_inline))

typedef uint64_t lanes __attribute__((vector_size(8 * BLAKE2B_LANES)));

static const uint64_t IV[8] = {
    0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
    0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u,
};

/* The order of the message's words in each round; the last two rounds have that of the first two. */
static const uint8_t ORDER[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

INLINE uint64_t load64_le(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | bytes[i];
    return word;
}

INLINE void fill(lanes *vector, uint64_t word)
{
    *vector = (lanes){word, word, word, word};
}

INLINE void turn(lanes *word, const lanes *other, int right)
{
    *word ^= *other;
    *word = *word >> right | *word << (64 - right);
}

INLINE void mix(lanes v[16], int a, int b, int c, int d, const lanes *x, const lanes *y)
{
    v[a] += v[b] + *x;
    turn(&v[d], &v[a], 32);
    v[c] += v[d];
    turn(&v[b], &v[c], 24);
    v[a] += v[b] + *y;
    turn(&v[d], &v[a], 16);
    v[c] += v[d];
    turn(&v[b], &v[c], 63);
}

INLINE void run_rounds(lanes v[16], const lanes m[16])
{
#pragma GCC unroll 12
    for (int round = 0; round < 12; round++) {
        const uint8_t *order = ORDER[round];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            mix(v, i, 4 + i, 8 + i, 12 + i, &m[order[2 * i]], &m[order[2 * i + 1]]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, &m[order[8 + 2 * i]], &m[order[9 + 2 * i]]);
    }
}

/* Eight bytes of a text from a place on, zeros behind its end. */
INLINE uint64_t word_at(const uint8_t *text, size_t length, size_t place)
{
    if (place + 8 <= length)
        return load64_le(text + place);
    uint64_t word = 0;
    for (size_t i = length; i > place; i--)
        word = word << 8 | text[i - 1];
    return word;
}

INLINE void hash(const uint8_t *const texts[BLAKE2B_LANES], const size_t lengths[BLAKE2B_LANES], int size,
                 const uint8_t person[BLAKE2B_PERSON_BYTES], uint64_t digests[BLAKE2B_LANES])
{
    lanes h[8], v[16], m[16], hashed = {0}, last = {0}, here = {0};
    size_t longest = 0;
    for (int i = 0; i < 8; i++)
        fill(&h[i], IV[i]);
    h[0] ^= 0x01010000u | (uint64_t)size; /* depth, fanout, no key, the digest's length */
    h[6] ^= load64_le(person);
    h[7] ^= load64_le(person + 8);
    for (int lane = 0; lane < BLAKE2B_LANES; lane++)
        longest = lengths[lane] > longest ? lengths[lane] : longest;
    for (size_t start = 0; start == 0 || start < longest; start += BLOCK) {
        for (int lane = 0; lane < BLAKE2B_LANES; lane++) {
            size_t end = start + BLOCK < lengths[lane] ? start + BLOCK : lengths[lane];
            hashed[lane] = end;
            last[lane] = start + BLOCK >= lengths[lane] ? ~(uint64_t)0 : 0;
            here[lane] = start == 0 || start < lengths[lane] ? ~(uint64_t)0 : 0;
        }
        for (size_t i = 0; i < 16; i++) {
            fill(&m[i], 0);
            for (int lane = 0; lane < BLAKE2B_LANES && start + 8 * i < longest; lane++)
                m[i][lane] = word_at(texts[lane], lengths[lane], start + 8 * i);
        }
        for (int i = 0; i < 8; i++) {
            v[i] = h[i];
            fill(&v[i + 8], IV[i]);
        }
        v[12] ^= hashed;
        v[14] ^= last;
        run_rounds(v, m);
        for (int i = 0; i < 8; i++)
            h[i] ^= (v[i] ^ v[i + 8]) & here; /* a text that ended in an earlier block keeps its state */
    }
    for (int lane = 0; lane < BLAKE2B_LANES; lane++) {
        digests[lane] = 0;
        for (int i = 0; i < size; i++)
            digests[lane] = digests[lane] << 8 | (h[0][lane] >> (8 * i) & 0xff);
    }
}

#if defined(__x86_64__) && !defined(RAIL_PORTABLE)
__attribute__((target("avx2"))) static void hash_avx2(const uint8_t *const texts[BLAKE2B_LANES],
                                                      const size_t lengths[BLAKE2B_LANES], int size,
                                                      const uint8_t person[BLAKE2B_PERSON_BYTES],
                                                      uint64_t digests[BLAKE2B_LANES])
{
    hash(texts, lengths, size, person, digests);
}
#endif

void rail_blake2b(const uint8_t *const texts[BLAKE2B_LANES], const size_t lengths[BLAKE2B_LANES], int size,
                  const uint8_t person[BLAKE2B_PERSON_BYTES], uint64_t digests[BLAKE2B_LANES])
{
#if defined(__x86_64__) && !defined(RAIL_PORTABLE)
    if (__builtin_cpu_supports("avx2")) {
        hash_avx2(texts, lengths, size, person, digests);
        return;
    }
#endif
    hash(texts, lengths, size, person, digests);
}
