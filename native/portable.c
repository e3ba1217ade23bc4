/* The meaning of every kernel in plain loops. Where a variant differs from this file in one bit, the variant is wrong. */

#include "fixedpoint.h"

static int usable(void) { return 1; }

static void gemm(const int8_t *w, const int32_t *row_sums, const int8_t *x, int rows, int tokens, int stride,
                 int32_t *out)
{
    (void)row_sums;
    for (int t = 0; t < tokens; t++) {
        for (int r = 0; r < rows; r++) {
            const int8_t *a = x + (int64_t)t * stride, *b = w + (int64_t)r * stride;
            int32_t sum = 0;
            for (int k = 0; k < stride; k++)
                sum += a[k] * b[k];
            out[(int64_t)t * rows + r] = sum;
        }
    }
}

static void requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out)
{
    for (int i = 0; i < n; i++)
        out[i] = saturate(round_shift((int64_t)acc[i] * ((int32_t)scales[i] * mantissa), shift));
}

static uint32_t max_abs(const int32_t *x, int n)
{
    uint32_t max = 0;
    for (int i = 0; i < n; i++) {
        uint32_t a = (uint32_t)(x[i] < 0 ? -x[i] : x[i]);
        max = a > max ? a : max;
    }
    return max;
}

static void quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out)
{
    for (int i = 0; i < n; i++)
        out[i] = (int8_t)round_shift((int64_t)x[i] * reciprocal, shift);
}

static void dots(const int8_t *q, const int8_t *k, int positions, int stride, int32_t *out)
{
    for (int j = 0; j < positions; j++) {
        int32_t sum = 0;
        for (int d = 0; d < stride; d++)
            sum += q[d] * k[(int64_t)j * stride + d];
        out[j] = sum;
    }
}

static void weighted_sum(const int16_t *weights, const int8_t *v, int positions, int stride, int64_t *out)
{
    for (int d = 0; d < stride; d++)
        out[d] = 0;
    for (int j = 0; j < positions; j++)
        for (int d = 0; d < stride; d++)
            out[d] += (int32_t)weights[j] * v[(int64_t)j * stride + d];
}

static int32_t scale_scores(int32_t *scores, const struct scale *keys, struct scale query, int n)
{
    int32_t max = -INT32_LIMIT;
    for (int j = 0; j < n; j++) {
        int shift = clamp_int(query.exponent + keys[j].exponent - 16, 1, 62);
        scores[j] = saturate(round_shift((int64_t)scores[j] * (query.mantissa * keys[j].mantissa), shift));
        max = scores[j] > max ? scores[j] : max;
    }
    return max;
}

static void exp_shares(int32_t *scores, int32_t max, const int32_t *value_max, int n, uint64_t *total, uint64_t *peak)
{
    *total = *peak = 0;
    for (int j = 0; j < n; j++) {
        scores[j] = exp2_neg_q30((uint32_t)((int64_t)max - scores[j]));
        uint64_t product = (uint64_t)scores[j] * (uint32_t)value_max[j];
        *total += (uint64_t)scores[j];
        *peak = product > *peak ? product : *peak;
    }
}

static void round_weights(const int32_t *shares, const int32_t *value_max, int n, int drop, int16_t *weights)
{
    for (int j = 0; j < n; j++) {
        int64_t product = (int64_t)shares[j] * value_max[j];
        int64_t weight = drop ? round_shift(product, drop) : product;
        weights[j] = (int16_t)(weight < 32767 ? weight : 32767);
    }
}

/* sigmoid in Q30: linear between table points 1/128 apart; arguments past 16 take the value just below 16. */
static int32_t sigmoid_q30_of_q16(int32_t x)
{
    int32_t a = x < 0 ? -x : x;
    if (a > (16 << 16) - 1)
        a = (16 << 16) - 1;
    int32_t low = SIGMOID_Q30[a >> 9], step = SIGMOID_Q30[(a >> 9) + 1] - low;
    int32_t s = low + ((step * (a & 511)) >> 9);   /* step < 2^21 + 1, so the product stays under 2^31 */
    return x < 0 ? (1 << 30) - s : s;
}

static void silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out)
{
    for (int i = 0; i < n; i++) {
        int64_t silu = round_shift((int64_t)gate[i] * sigmoid_q30_of_q16(gate[i]), 30);
        out[i] = saturate(round_shift(silu * up[i], 16));
    }
}

const struct kernels kernels_portable = {
    .name = "portable",
    .usable = usable,
    .gemm = gemm,
    .requantise = requantise,
    .max_abs = max_abs,
    .quantise = quantise,
    .dots = dots,
    .weighted_sum = weighted_sum,
    .scale_scores = scale_scores,
    .exp_shares = exp_shares,
    .round_weights = round_weights,
    .silu_mul = silu_mul,
};
