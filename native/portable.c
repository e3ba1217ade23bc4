/* The meaning of every kernel in plain loops. Where a variant differs from this file in one bit, the variant is wrong. */

#include "kernels.h"
#include "q15.h"

#include <string.h>

static int usable(void) { return 1; }

/* One block times one token. */
static void block_times(const uint8_t *w, int depth, const int8_t *x, int32_t *out)
{
    int32_t sums[BLOCK_ROWS] = {0};
    for (int k = 0; k < depth; k += 4)
        for (int r = 0; r < BLOCK_ROWS; r++) {
            const uint8_t *row = w + (int64_t)k * BLOCK_ROWS + 4 * r;
            for (int i = 0; i < 4; i++)
                sums[r] += (row[i] - 128) * x[k + i];
        }
    memcpy(out, sums, sizeof sums);
}

static void gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                 int32_t *out, int64_t out_stride)
{
    for (int b = 0; b < blocks; b++)
        for (int t = 0; t < tokens; t++)
            block_times(w + b * block_bytes, depth, x.data + t * x.stride, out + t * out_stride + b * BLOCK_ROWS);
}

static void unpack(const struct packed4 *w, int depth, uint8_t *out)
{
    for (int s = 0; s < depth / 8; s++, out += 128) {
        const uint8_t *halves = w->halves + 64 * (int64_t)s;
        const uint8_t *low = w->codebooks + 16 * w->codes[2 * s], *high = w->codebooks + 16 * w->codes[2 * s + 1];
        for (int i = 0; i < 64; i++) {
            out[i] = low[halves[i] & 15];
            out[64 + i] = high[halves[i] >> 4];
        }
    }
}

void portable_requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out)
{
    for (int i = 0; i < n; i++)
        out[i] = saturate(round_shift((int64_t)acc[i] * ((int32_t)scales[i] * mantissa), shift));
}

uint32_t portable_max_abs(const int32_t *x, int n)
{
    uint32_t max = 0;
    for (int i = 0; i < n; i++) {
        uint32_t a = (uint32_t)(x[i] < 0 ? -x[i] : x[i]);
        max = a > max ? a : max;
    }
    return max;
}

uint64_t portable_sum_squares(const int32_t *x, int n, int drop)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t v = drop ? round_shift(x[i], drop) : x[i];
        sum += (uint64_t)(v * v);
    }
    return sum;
}

int32_t portable_quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        out[i] = (int8_t)round_shift((int64_t)x[i] * reciprocal, shift);
        sum += out[i];
    }
    return sum;
}

void portable_add(int32_t *x, const int32_t *y, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = saturate((int64_t)x[i] + y[i]);
}

/* |x| < 2^31 and |cos|, |sin| <= 2^30: sums stay under 2^62. */
void portable_rotate(int32_t *x, const int32_t *turn, int n)
{
    for (int i = 0; i < n; i += 2) {
        int64_t a = x[i], b = x[i + 1];
        x[i] = saturate(round_shift(a * turn[i] - b * turn[i + 1], 30));
        x[i + 1] = saturate(round_shift(a * turn[i + 1] + b * turn[i], 30));
    }
}

void portable_silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out)
{
    for (int i = 0; i < n; i++) {
        int64_t silu = round_shift((int64_t)gate[i] * sigmoid_q15(gate[i]), 15);
        out[i] = saturate(round_shift(silu * up[i], 16));
    }
}

void portable_hadamard(int32_t *x, int n, int log2)
{
    for (int half = 1; half < 1 << log2; half *= 2)
        for (int i = 0; i < n; i += 2 * half)
            for (int j = i; j < i + half; j++) {
                int32_t a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
}

void portable_scale_scores(int32_t *scores, struct scale query, const struct positions *p, int n,
                         struct softmax *found)
{
    found->max = found->top = INT32_MIN;
    found->total = 0;
    for (int j = 0; j < n; j++) {
        int shift = clamp_int(query.exponent + p->key_exponent[j] - 16, 1, 62);
        int64_t s = round_shift((int64_t)scores[j] * (query.mantissa * p->key_mantissa[j]), shift);
        scores[j] = (int32_t)(s > SCORE_LIMIT ? SCORE_LIMIT : s < -SCORE_LIMIT ? -SCORE_LIMIT : s);
        int32_t top = scores[j] - p->value_exponent[j] * 65536;
        found->max = scores[j] > found->max ? scores[j] : found->max;
        found->top = top > found->top ? top : found->top;
    }
}

void portable_weigh(const int32_t *scores, const struct positions *p, int n, int8_t *high, int8_t *low,
                  struct softmax *found)
{
    int peak = (found->top - found->max + 65535) >> 16;   /* exponent of the largest weighted value */
    found->high = found->low = 0;
    for (int j = 0; j < n; j++) {
        int32_t x = found->max - scores[j], whole = x >> 16, share = exp2_fraction((x & 65535) >> 1);
        found->total += whole < 25 ? (uint64_t)(share << 9 >> whole) : 0;
        int shift = peak + p->value_exponent[j] + whole + 1;   /* 1 or more */
        int32_t w = shift > 16 ? 0 : (int32_t)round_shift(mul_q15(share, p->value_mantissa[j]), shift);   /* at most 2^14 - 1 */
        high[j] = (int8_t)(w >> 7);
        low[j] = (int8_t)(w & 127);
        found->high += high[j];
        found->low += low[j];
    }
}

void portable_combine(const int64_t *sums, struct scale scale, int n, int32_t *out)
{
    int shift = clamp_int(scale.exponent, 1, 62);
    for (int i = 0; i < n; i++)
        out[i] = saturate(round_shift(sums[i] * scale.mantissa, shift));
}

const struct kernels kernels_portable = {
    .name = "portable",
    .usable = usable,
    .gemm = gemm,
    .unpack = unpack,
    .requantise = portable_requantise,
    .max_abs = portable_max_abs,
    .sum_squares = portable_sum_squares,
    .quantise = portable_quantise,
    .add = portable_add,
    .rotate = portable_rotate,
    .silu_mul = portable_silu_mul,
    .hadamard = portable_hadamard,
    .scale_scores = portable_scale_scores,
    .weigh = portable_weigh,
    .combine = portable_combine,
};
