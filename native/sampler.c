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

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Weights in Q30: 2^-((max - logit) * log2(e) / temperature), 0 from an exponent of 31 on. `rate` is
 * log2(e) / temperature in Q40, at most 2^61; distances whose exponent reaches 31 are cut off before the product, which
 * then stays under 2^61 + 2^61. */
static void weigh(const int32_t *logits, int32_t vocab, int32_t max, uint64_t rate, uint64_t *weights)
{
    uint64_t far = (UINT64_C(31) << 56) / rate;   /* (far + 1) * rate >= 31 in Q56 */
    for (int32_t id = 0; id < vocab; id++) {
        uint64_t distance = (uint64_t)((int64_t)max - logits[id]);
        weights[id] = distance > far ? 0 : (uint64_t)exp2_neg_q30((uint32_t)((distance * rate) >> 40));
    }
}

enum { BUCKETS = 31 * 8 };

/* Buckets by weight, heavier first: its length in bits and the three bits after the leading one. The weight never rises
 * along the order of candidates, so a bucket is a contiguous piece of that order. 1 <= w <= 2^30. */
static int bucket_of(uint64_t w)
{
    int bits = bit_length(w), fraction = (int)(bits > 3 ? w >> (bits - 4) : w << (4 - bits)) & 7;
    return (31 - bits) * 8 + 7 - fraction;
}

/* Candidates in order, up to `last`, until a quota is reached: that many tokens, or that much weight. */
struct quota {
    uint64_t last;
    int by_weight;
    uint64_t unit;   /* reached when amount * unit >= goal */
    unsigned __int128 goal;
};

static int reached(const struct quota *q, uint64_t amount) { return (unsigned __int128)amount * q->unit >= q->goal; }

/* The key of the candidate that reaches the quota; `last` if none does. Only the bucket in which that happens is
 * sorted. `keys`: room for `vocab`. */
static uint64_t cutoff_key(const int32_t *logits, const uint64_t *weights, int32_t vocab, const struct quota *q,
                           uint64_t *keys)
{
    uint64_t amounts[BUCKETS] = {0}, amount = 0;
    for (int32_t id = 0; id < vocab; id++)
        if (weights[id] && key_of(logits[id], id) <= q->last)
            amounts[bucket_of(weights[id])] += q->by_weight ? weights[id] : 1;
    int bucket = 0;
    while (bucket < BUCKETS && !reached(q, amount + amounts[bucket]))
        amount += amounts[bucket++];
    if (bucket == BUCKETS)
        return q->last;
    size_t count = 0;
    for (int32_t id = 0; id < vocab; id++)
        if (weights[id] && bucket_of(weights[id]) == bucket && key_of(logits[id], id) <= q->last)
            keys[count++] = key_of(logits[id], id);
    qsort(keys, count, sizeof *keys, by_key);
    size_t i = 0;
    while (!reached(q, amount += q->by_weight ? weights[(uint32_t)keys[i]] : 1))
        i++;
    return keys[i];
}

static uint64_t total_weight(const int32_t *logits, const uint64_t *weights, int32_t vocab, uint64_t last)
{
    uint64_t total = 0;
    for (int32_t id = 0; id < vocab; id++)
        if (key_of(logits[id], id) <= last)
            total += weights[id];
    return total;
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

    uint64_t *weights = scratch, *keys = scratch + vocab, last = UINT64_MAX;
    uint64_t rate = (LOG2E_Q40 * (uint64_t)MICRO + (uint64_t)temperature_micro / 2) / (uint64_t)temperature_micro;
    weigh(logits, vocab, logits[best], rate, weights);
    if (top_k > 0) {
        struct quota tokens = {last, 0, 1, (unsigned __int128)top_k};
        last = cutoff_key(logits, weights, vocab, &tokens, keys);
    }
    uint64_t total = total_weight(logits, weights, vocab, last);
    if (top_p_micro < MICRO) {
        struct quota share = {last, 1, (uint64_t)MICRO, (unsigned __int128)total * (uint64_t)top_p_micro};
        last = cutoff_key(logits, weights, vocab, &share, keys);
        total = total_weight(logits, weights, vocab, last);
    }
    uint64_t target = (uint64_t)(((unsigned __int128)rail_random(seed, position) * total) >> 64);
    for (int32_t id = 0; id < vocab; id++) {
        if (key_of(logits[id], id) > last)
            continue;
        if (target < weights[id])
            return id;
        target -= weights[id];
    }
    return best;   /* not reached: target < total */
}
