/* The sampler (inference/SPEC.md section 6): greedy, temperature, top-k, top-p; integers only.
 *
 * Order of candidates: higher logit first, ties by lower id. A token's key puts that order into one integer:
 *   key = (2^31 - 1 - logit) << 32 | id        (smaller is better)
 */

#include "fixedpoint.h"
#include "native.h"

#include <stdlib.h>

/* log2(e) in Q40: round(1.4426950408889634074 * 2^40). */
#define LOG2E_Q40 UINT64_C(1586259972792)
#define MICRO INT64_C(1000000)

/* Philox 4x32-10 (Salmon et al., SC 2011). Counter words: counter low, counter high, 0, 0. */
uint64_t rail_random(uint64_t seed, uint64_t counter)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c[0] * UINT32_C(0xD2511F53), b = (uint64_t)c[2] * UINT32_C(0xCD9E8D57);
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        __builtin_memcpy(c, next, sizeof c);
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    return (uint64_t)c[1] << 32 | c[0];
}

static uint64_t key_of(int32_t logit, int32_t id)
{
    return (uint64_t)((int64_t)INT32_LIMIT - logit) << 32 | (uint32_t)id;
}

static int32_t logit_of(uint64_t key) { return (int32_t)(INT32_LIMIT - (int64_t)(key >> 32)); }

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Weight of a token in Q30: 2^-((max - logit) * log2(e) / temperature). The distance is at most 2^32 and `rate`
 * (log2(e) / temperature in Q40, at most 2^61 for a temperature of a millionth) wants 128 bits. */
static uint64_t weight(int32_t max, int32_t logit, uint64_t rate)
{
    uint64_t distance = (uint64_t)((int64_t)max - logit);
    unsigned __int128 exponent = ((unsigned __int128)distance * rate) >> 40;
    return exponent >= (UINT64_C(31) << 16) ? 0 : (uint64_t)exp2_neg_q30((uint32_t)exponent);
}

/* The largest key that survives top-k and top-p. `keys` holds `count` of them and is sorted here. */
static uint64_t cutoff_key(uint64_t *keys, int32_t count, int32_t top_k, int64_t top_p_micro, uint64_t rate)
{
    qsort(keys, (size_t)count, sizeof *keys, by_key);
    int32_t kept = top_k > 0 && top_k < count ? top_k : count;
    if (top_p_micro >= MICRO)
        return keys[kept - 1];
    int32_t max = logit_of(keys[0]);
    uint64_t total = 0, sum = 0;
    for (int32_t i = 0; i < kept; i++)
        total += weight(max, logit_of(keys[i]), rate);
    int32_t i = 0;
    do
        sum += weight(max, logit_of(keys[i]), rate);
    while ((unsigned __int128)sum * MICRO < (unsigned __int128)total * (uint64_t)top_p_micro && ++i < kept);
    return keys[i < kept ? i : kept - 1];
}

int32_t rail_sample(const int32_t *logits, int32_t vocab, int64_t temperature_micro, int32_t top_k,
                    int64_t top_p_micro, uint64_t seed, uint64_t position, uint64_t *scratch)
{
    int32_t best = 0;
    for (int32_t id = 1; id < vocab; id++)
        if (logits[id] > logits[best])
            best = id;
    if (temperature_micro == 0)
        return best;

    int32_t max = logits[best];
    uint64_t rate = (LOG2E_Q40 * (uint64_t)MICRO + (uint64_t)temperature_micro / 2) / (uint64_t)temperature_micro;
    uint64_t cutoff = UINT64_MAX;
    if (top_k > 0 || top_p_micro < MICRO) {
        int32_t count = 0;
        for (int32_t id = 0; id < vocab; id++)
            if (weight(max, logits[id], rate))
                scratch[count++] = key_of(logits[id], id);
        cutoff = cutoff_key(scratch, count, top_k, top_p_micro, rate);
    }
    uint64_t total = 0;
    for (int32_t id = 0; id < vocab; id++)
        if (key_of(logits[id], id) <= cutoff)
            total += weight(max, logits[id], rate);
    uint64_t target = (uint64_t)(((unsigned __int128)rail_random(seed, position) * total) >> 64);
    for (int32_t id = 0; id < vocab; id++) {
        if (key_of(logits[id], id) > cutoff)
            continue;
        uint64_t w = weight(max, logits[id], rate);
        if (target < w)
            return id;
        target -= w;
    }
    return best;   /* not reached: target < total */
}
