/* Rounding and saturation helpers, and the table of kernel pointers.
 *
 * Right shift of a negative number is arithmetic (floor) in every compiler this builds with; build.py refuses others.
 * Widths are stated at each kernel; no kernel can overflow for inputs inside the stated bounds.
 *
 * A matrix in memory: blocks of 16 rows; a block holds, for each four columns, the four bytes of row 0, of row 1, ...
 *
 *        column   0 1 2 3   4 5 6 7
 *     row 0       0 1 2 3   64 65 66 67        byte offsets inside the block;
 *     row 1       4 5 6 7   68 69 70 71        `depth` is the number of columns, a multiple of 4
 *     ...
 *     row 15      60 .. 63  124 .. 127
 *
 * A byte is the weight plus 128. With 4 bits a weight (depth a multiple of 8) 64 bytes hold eight columns: the low
 * halves are columns 0-3 in the order above, the high halves columns 4-7. Each half is an index into one of 256
 * codebooks of 16 bytes; one byte for each 16 rows x 4 columns, the code, says which.
 */
#ifndef RAIL_KERNELS_H
#define RAIL_KERNELS_H

#include <stdint.h>

#define INT32_LIMIT INT32_C(2147483647)
#define SCORE_LIMIT ((INT32_C(1) << 30) - 1)

enum {
    BLOCK_ROWS = 16,
    ZERO_EXPONENT = 64,   /* of a value vector that is all zero: far below any other */
};

#if defined(__x86_64__)
extern int fetch_ahead;   /* bytes between a load of weights and what is fetched meanwhile; dispatch.c chooses */
#endif

/* The one rounding rule: floor(v / 2^s + 1/2). |v| < 2^62, 1 <= s <= 62, so the sum stays under 2^63. */
static inline int64_t round_shift(int64_t v, int s) { return (v + ((int64_t)1 << (s - 1))) >> s; }

/* Saturation is symmetric, so that |x| of any stored q16 fits 31 bits. */
static inline int32_t saturate(int64_t v)
{
    return v > INT32_LIMIT ? INT32_LIMIT : v < -INT32_LIMIT ? -INT32_LIMIT : (int32_t)v;
}

static inline int bit_length(uint64_t v) { return v ? 64 - __builtin_clzll(v) : 0; }
static inline int clamp_int(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

/* CDEF BEGIN: native/build.py hands the lines between the marks to cffi, for the tests of single kernels. */
/* A positive number mantissa * 2^-exponent with mantissa in [2^14, 2^15), or mantissa 0 for zero. */
struct scale {
    int32_t mantissa, exponent;
};

/* What attention keeps of each cached position beside its bytes; mantissas and exponents of scales. */
struct positions {
    const int16_t *key_mantissa, *key_exponent, *value_mantissa, *value_exponent;
};

struct packed4 {
    const uint8_t *halves;      /* blocks x depth / 8 x 64 */
    const uint8_t *codes;       /* blocks x depth / 4 */
    const uint8_t *codebooks;   /* 256 x 16, bytes 1 to 255 */
};

/* Vectors of i8: vector t is data + t * stride, zero from the depth of a product to the next multiple of 64. */
struct vectors {
    const int8_t *data;
    int64_t stride;
    const int32_t *excess;   /* 128 times the sum of each vector: what the offset of the weights adds to a product */
};

/* What the two passes over the scores of one query find out. */
struct softmax {
    int32_t max;         /* of the scores */
    int32_t top;         /* of score - value exponent * 2^16: bounds the weighted values */
    uint64_t total;      /* sum of 2^(score - max) in Q24 */
    int32_t high, low;   /* sums of the digits of the weights, of one call */
};

struct kernels {
    const char *name;
    int (*usable)(void);

    /* out[t * out_stride + r] = sum over k < depth of x[t][k] * w[r][k] for 16 * blocks rows. Block b begins at
     * w + b * block_bytes. |x|, |w| <= 127 and depth <= 65536: |sum| <= 127 * 127 * 65536 < 2^31. Sums with offset
     * weights may wrap on the way and wrap back when the excess is taken off. */
    void (*gemm)(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                 int32_t *out, int64_t out_stride);

    /* The same over 4-bit blocks, for few tokens. NULL where unpacking a block first is as good. */
    void (*gemm4)(const struct packed4 *w, int blocks, int depth, struct vectors x, int tokens, int32_t *out,
                  int64_t out_stride);

    /* One block of 4-bit weights as bytes. */
    void (*unpack)(const struct packed4 *w, int depth, uint8_t *out);

    /* out[i] = saturate(round_shift(acc[i] * (scales[i] * mantissa), shift)).
     * scale < 2^16, 0 <= mantissa < 2^15, |acc| < 2^30: products stay under 2^61. 1 <= shift <= 62. */
    void (*requantise)(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out);

    uint32_t (*max_abs)(const int32_t *x, int n);

    /* Sum of round_shift(x[i], drop)^2; |x| < 2^(24 + drop), n <= 2^15: under 2^63. */
    uint64_t (*sum_squares)(const int32_t *x, int n, int drop);

    /* out[i] = round_shift(x[i] * reciprocal, shift) with 0 < reciprocal < 2^31 and a result in [-127, 127]; returns
     * the sum of the results. */
    int32_t (*quantise)(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out);

    /* x[i] = saturate(x[i] + y[i]). */
    void (*add)(int32_t *x, const int32_t *y, int n);

    /* Turns the pairs (2i, 2i + 1) of x by angles whose cosine and sine (Q30) stand in turn[2i], turn[2i + 1]. */
    void (*rotate)(int32_t *x, const int32_t *turn, int n);

    /* out[i] = gate * sigmoid(gate) * up in q16 (SPEC section 5, step 2.6). */
    void (*silu_mul)(const int32_t *gate, const int32_t *up, int n, int32_t *out);

    /* Walsh-Hadamard transform of each 2^log2 neighbours, without normalisation. |x| <= 2^(30 - log2). n a multiple of
     * 2^log2. */
    void (*hadamard)(int32_t *x, int n, int log2);

    /* scores[j] = round_shift(scores[j] * (query.mantissa * key_mantissa[j]), shift) limited to
     * SCORE_LIMIT, shift = query.exponent + key_exponent[j] - 16 clamped to [1, 62]. Sets found->max, found->top and
     * found->total = 0.
     * |score| < 2^23: products stay under 2^53. n >= 1. */
    void (*scale_scores)(int32_t *scores, struct scale query, const struct positions *p, int n,
                         struct softmax *found);

    /* Weights of the values as two digits: high[j] * 128 + low[j] (SPEC section 5, step 2.4). Adds to
     * found->total, sets found->high and found->low. n <= 65536. */
    void (*weigh)(const int32_t *scores, const struct positions *p, int n, int8_t *high, int8_t *low,
                  struct softmax *found);

    /* out[i] = saturate(round_shift(sums[i] * mantissa, shift)); |sum| < 2^41. */
    void (*combine)(const int64_t *sums, struct scale scale, int n, int32_t *out);
};

/* The set at `index` in order of rising preference, or NULL past the end. */
const struct kernels *kernels_at(int index);
/* CDEF END */

/* The plain loops, for sets that have nothing better, and for the tails of vectors. */
void portable_requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out);
uint32_t portable_max_abs(const int32_t *x, int n);
uint64_t portable_sum_squares(const int32_t *x, int n, int drop);
int32_t portable_quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out);
void portable_add(int32_t *x, const int32_t *y, int n);
void portable_rotate(int32_t *x, const int32_t *turn, int n);
void portable_silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out);
void portable_hadamard(int32_t *x, int n, int log2);
void portable_scale_scores(int32_t *scores, struct scale query, const struct positions *p, int n,
                           struct softmax *found);
void portable_weigh(const int32_t *scores, const struct positions *p, int n, int8_t *high, int8_t *low,
                    struct softmax *found);
void portable_combine(const int64_t *sums, struct scale scale, int n, int32_t *out);

extern const struct kernels kernels_portable;
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
extern const struct kernels kernels_avx512vnni;
extern const struct kernels kernels_amx;
extern const struct kernels kernels_neon;

#endif
