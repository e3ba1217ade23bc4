/* Logit bias and penalties (inference/SPEC.md section 6, step 1). The work grows with the tokens that are touched. */

#include "kernels.h"
#include "sampler.h"

/* floor(n / d + 1/2): the rounding rule for a divisor that is no power of two. d > 0; |n| < 2^61. */
static int64_t round_divide(int64_t n, int64_t d)
{
    int64_t doubled = 2 * n + d, quotient = doubled / (2 * d);
    return quotient - (doubled % (2 * d) < 0);
}

void rail_seen_add(rail_seen *seen, const int32_t *ids, int32_t count, int32_t output)
{
    for (int32_t i = 0; i < count; i++) {
        if (!seen->uses[ids[i]]) {
            seen->uses[ids[i]] = 1;
            seen->ids[seen->count++] = ids[i];
        }
        seen->uses[ids[i]] += output != 0;
    }
}

/* How many tokens of the history are touched. */
static int32_t penalised_count(const rail_sampling *p, const rail_seen *seen)
{
    return p->repetition_micro != MICRO || p->frequency_micro || p->presence_micro ? seen->count : 0;
}

/* |logit| <= 2^31 times at most 10^7 stays under 2^55; a frequency penalty of at most 2 * 10^6 times 2^20 tokens in Q16
 * under 2^58. */
static int32_t penalised(int64_t logit, const rail_sampling *p, int64_t output_uses)
{
    logit = logit > 0 ? round_divide(logit * MICRO, p->repetition_micro) : round_divide(logit * p->repetition_micro, MICRO);
    int64_t penalty = p->frequency_micro * output_uses + (output_uses ? p->presence_micro : 0);
    return saturate(logit - round_divide(penalty * 65536, MICRO));
}

void adjust(int32_t *logits, const rail_sampling *p, const rail_seen *seen, int32_t *saved)
{
    for (int32_t i = 0; i < p->bias_count; i++) {
        int32_t *logit = logits + p->bias_ids[i];
        *saved++ = *logit;
        *logit = saturate(*logit + round_divide((int64_t)p->bias_micro[i] * 65536, MICRO));
    }
    for (int32_t i = 0; i < penalised_count(p, seen); i++) {
        int32_t *logit = logits + seen->ids[i];
        *saved++ = *logit;
        *logit = penalised(*logit, p, seen->uses[seen->ids[i]] - 1);
    }
}

/* The history first: a token may be in both lists. */
void restore(int32_t *logits, const rail_sampling *p, const rail_seen *seen, const int32_t *saved)
{
    for (int32_t i = 0; i < penalised_count(p, seen); i++)
        logits[seen->ids[i]] = saved[p->bias_count + i];
    for (int32_t i = 0; i < p->bias_count; i++)
        logits[p->bias_ids[i]] = saved[i];
}
