/* Rounding and saturation helpers, and the table of kernel pointers.
 *
 * Right shift of a negative number is arithmetic (floor) in every compiler this builds with; build.py refuses others.
 * Widths are stated at each kernel; no kernel can overflow for inputs inside the stated bounds.
 */
#ifndef RAIL_KERNELS_H
#define RAIL_KERNELS_H

#include <stdint.h>

#define INT32_LIMIT INT32_C(2147483647)

/* The one rounding rule: floor(v / 2^s + 1/2). |v| < 2^62, 1 <= s <= 62, so the sum stays under 2^63. */
static inline int64_t round_shift(int64_t v, int s) { return (v + ((int64_t)1 << (s - 1))) >> s; }

/* Saturation is symmetric, so that |x| of any stored q16 fits 31 bits. */
static inline int32_t saturate(int64_t v)
{
    return v > INT32_LIMIT ? INT32_LIMIT : v < -INT32_LIMIT ? -INT32_LIMIT : (int32_t)v;
}

static inline int bit_length(uint64_t v) { return v ? 64 - __builtin_clzll(v) : 0; }
static inline int clamp_int(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

/* A positive number mantissa * 2^-exponent with mantissa in [2^14, 2^15), or mantissa 0 for zero. */
struct scale {
    int32_t mantissa, exponent;
};

/* Row sums feed the unsigned-activation instruction of one set; the others ignore them. */
struct kernels {
    const char *name;
    int (*usable)(void);

    /* out[t * rows + r] = sum over k < stride of w[r][k] * x[t][k].
     * |w|, |x| <= 127 and stride <= 65536: |sum| <= 127 * 127 * 65536 < 2^31. */
    void (*gemm)(const int8_t *w, const int32_t *row_sums, const int8_t *x, int rows, int tokens, int stride,
                 int32_t *out);

    /* out[i] = saturate(round_shift(acc[i] * (scales[i] * mantissa), shift)).
     * scale < 2^16, 0 <= mantissa < 2^15, |acc| < 2^31: the product stays under 2^62. 1 <= shift <= 62. */
    void (*requantise)(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out);

    uint32_t (*max_abs)(const int32_t *x, int n);

    /* out[i] = round_shift(x[i] * reciprocal, shift) with 0 < reciprocal < 2^31 and a result in [-127, 127]. */
    void (*quantise)(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out);

    /* out[j] = sum over d < stride of q[d] * k[j][d]; stride is a multiple of 32, at most 256. */
    void (*dots)(const int8_t *q, const int8_t *k, int positions, int stride, int32_t *out);

    /* out[d] = sum over j of weights[j] * v[j][d]; 0 <= weight <= 32767. Exact in 64 bits. */
    void (*weighted_sum)(const int16_t *weights, const int8_t *v, int positions, int stride, int64_t *out);

    /* scores[j] = saturate(round_shift(scores[j] * (query.mantissa * keys[j].mantissa), shift)) with
     * shift = query.exponent + keys[j].exponent - 16 clamped to [1, 62]; returns their maximum, or the least q16 for
     * n = 0. |score| < 2^23 and mantissas < 2^15: products stay under 2^53. */
    int32_t (*scale_scores)(int32_t *scores, const struct scale *keys, struct scale query, int n);

    /* scores[j] = 2^-(max - scores[j]) in Q30; their sum, and the largest product with value_max[j].
     * 0 <= value_max < 2^31: products stay under 2^61. */
    void (*exp_shares)(int32_t *scores, int32_t max, const int32_t *value_max, int n, uint64_t *total, uint64_t *peak);

    /* weights[j] = min(round_shift(shares[j] * value_max[j], drop), 32767); drop brings the peak to 15 bits. */
    void (*round_weights)(const int32_t *shares, const int32_t *value_max, int n, int drop, int16_t *weights);

    /* out[i] = gate * sigmoid(gate) * up in q16 (SPEC section 5, step 2.6). */
    void (*silu_mul)(const int32_t *gate, const int32_t *up, int n, int32_t *out);
};

extern const struct kernels kernels_portable;
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512vnni;

/* Kernels of the AVX2 set that the AVX-512 set takes over: they are a small share of a step. */
void avx2_requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out);
uint32_t avx2_max_abs(const int32_t *x, int n);
void avx2_quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out);
void avx2_silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out);

/* Kernels of attention of the AVX2 set; the last three serve the AVX-512 set too. */
void avx2_dots(const int8_t *q, const int8_t *k, int positions, int stride, int32_t *out);
void avx2_weighted_sum(const int16_t *weights, const int8_t *v, int positions, int stride, int64_t *out);
int32_t avx2_scale_scores(int32_t *scores, const struct scale *keys, struct scale query, int n);
void avx2_exp_shares(int32_t *scores, int32_t max, const int32_t *value_max, int n, uint64_t *total, uint64_t *peak);
void avx2_round_weights(const int32_t *shares, const int32_t *value_max, int n, int drop, int16_t *weights);

/* The set at `index` in order of rising preference, or NULL past the end. */
const struct kernels *kernels_at(int index);

/* Positions whose weighted values fit an int32: 512 * 32767 * 127 < 2^31. */
enum { WEIGHTED_SUM_BLOCK = 512 };

#endif
