/* AVX2 kernels, in the order of portable.c; those of attention are in avx2_attention.c. Compiled with baseline flags;
 * each function names its target. */

#include "kernels.h"
#include "tables.h"

#if defined(__x86_64__)
#include "avx2.h"

static int usable(void) { return __builtin_cpu_supports("avx2"); }

/* Four rows times `tokens` (1 or 2). vpmaddubsw takes |w| and x with the sign of w: a pair of products is at most
 * 2 * 127 * 127 = 32258, so its int16 sum cannot saturate. */
AVX2_INLINE void gemm_tile(const int tokens, const int8_t *w, const int8_t *x, int stride, __m128i *sums)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i acc[2][4];
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < 4; r++)
            acc[t][r] = _mm256_setzero_si256();
    for (int k = 0; k < stride; k += 32) {
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            __m256i row = load(w + (int64_t)r * stride + k), magnitude = _mm256_abs_epi8(row);
#pragma GCC unroll 2
            for (int t = 0; t < tokens; t++) {
                __m256i signed_x = _mm256_sign_epi8(load(x + (int64_t)t * stride + k), row);
                __m256i pairs = _mm256_maddubs_epi16(magnitude, signed_x);
                acc[t][r] = _mm256_add_epi32(acc[t][r], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    for (int t = 0; t < tokens; t++)
        sums[t] = sum4(acc[t][0], acc[t][1], acc[t][2], acc[t][3]);
}

AVX2 static void gemm(const int8_t *w, const int32_t *row_sums, const int8_t *x, int rows, int tokens, int stride,
                      int32_t *out)
{
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
        const int8_t *block = w + (int64_t)r * stride;
        __m128i sums[2];
        int t = 0;
        for (; t + 2 <= tokens; t += 2) {
            gemm_tile(2, block, x + (int64_t)t * stride, stride, sums);
            _mm_storeu_si128((__m128i *)(out + (int64_t)t * rows + r), sums[0]);
            _mm_storeu_si128((__m128i *)(out + (int64_t)(t + 1) * rows + r), sums[1]);
        }
        if (t < tokens) {
            gemm_tile(1, block, x + (int64_t)t * stride, stride, sums);
            _mm_storeu_si128((__m128i *)(out + (int64_t)t * rows + r), sums[0]);
        }
    }
    for (; r < rows; r++) {
        for (int t = 0; t < tokens; t++)
            kernels_portable.gemm(w + (int64_t)r * stride, row_sums, x + (int64_t)t * stride, 1, 1, stride,
                                  out + (int64_t)t * rows + r);
    }
}

AVX2 void avx2_requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out)
{
    const __m128i s = _mm_cvtsi32_si128(shift);
    const __m256i half = _mm256_set1_epi64x((int64_t)1 << (shift - 1)), m = _mm256_set1_epi32(mantissa);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i a = load(acc + i);
        __m256i f = _mm256_mullo_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(scales + i))), m);
        __m256i even = saturate_64(round_shift_64(_mm256_mul_epi32(a, f), half, s));
        __m256i odd = saturate_64(round_shift_64(_mm256_mul_epi32(odd_lanes(a), odd_lanes(f)), half, s));
        store(out + i, merge(even, odd));
    }
    kernels_portable.requantise(acc + i, scales + i, mantissa, shift, n - i, out + i);
}

AVX2 uint32_t avx2_max_abs(const int32_t *x, int n)
{
    __m256i max = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= n; i += 8)
        max = _mm256_max_epu32(max, _mm256_abs_epi32(load(x + i)));
    uint32_t lanes[8], result = kernels_portable.max_abs(x + i, n - i);
    store(lanes, max);
    for (int lane = 0; lane < 8; lane++)
        result = lanes[lane] > result ? lanes[lane] : result;
    return result;
}

AVX2 void avx2_quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out)
{
    const __m128i s = _mm_cvtsi32_si128(shift);
    const __m256i half = _mm256_set1_epi64x((int64_t)1 << (shift - 1)), r = _mm256_set1_epi32(reciprocal);
    const __m256i low_bytes = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                               0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = load(x + i);
        __m256i even = round_shift_64(_mm256_mul_epi32(v, r), half, s);
        __m256i odd = round_shift_64(_mm256_mul_epi32(odd_lanes(v), r), half, s);
        __m256i bytes = _mm256_shuffle_epi8(merge(even, odd), low_bytes);
        int32_t words[2] = {_mm256_extract_epi32(bytes, 0), _mm256_extract_epi32(bytes, 4)};
        __builtin_memcpy(out + i, words, sizeof words);
    }
    kernels_portable.quantise(x + i, n - i, reciprocal, shift, out + i);
}

AVX2_INLINE __m256i sigmoid(__m256i x)
{
    const __m256i below_16 = _mm256_set1_epi32((16 << 16) - 1);
    __m256i a = _mm256_min_epu32(_mm256_abs_epi32(x), below_16), index = _mm256_srli_epi32(a, 9);
    __m256i low = _mm256_i32gather_epi32(SIGMOID_Q30, index, 4);
    __m256i step = _mm256_sub_epi32(_mm256_i32gather_epi32(SIGMOID_Q30 + 1, index, 4), low);
    __m256i fraction = _mm256_and_si256(a, _mm256_set1_epi32(511));
    __m256i s = _mm256_add_epi32(low, _mm256_srai_epi32(_mm256_mullo_epi32(step, fraction), 9));
    __m256i negative = _mm256_srai_epi32(x, 31);
    return _mm256_blendv_epi8(s, _mm256_sub_epi32(_mm256_set1_epi32(1 << 30), s), negative);
}

/* gate * sigmoid * up for four lanes; the rounded silu fits 32 bits because sigmoid <= 1. */
AVX2_INLINE __m256i silu_mul_64(__m256i gate, __m256i sigmoid, __m256i up)
{
    __m256i silu = round_shift_64(_mm256_mul_epi32(gate, sigmoid), _mm256_set1_epi64x(1 << 29), _mm_cvtsi32_si128(30));
    __m256i product = _mm256_mul_epi32(silu, up);
    return saturate_64(round_shift_64(product, _mm256_set1_epi64x(1 << 15), _mm_cvtsi32_si128(16)));
}

AVX2 void avx2_silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i g = load(gate + i), u = load(up + i), s = sigmoid(g);
        __m256i even = silu_mul_64(g, s, u);
        __m256i odd = silu_mul_64(odd_lanes(g), odd_lanes(s), odd_lanes(u));
        store(out + i, merge(even, odd));
    }
    kernels_portable.silu_mul(gate + i, up + i, n - i, out + i);
}

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .usable = usable,
    .gemm = gemm,
    .requantise = avx2_requantise,
    .max_abs = avx2_max_abs,
    .quantise = avx2_quantise,
    .dots = avx2_dots,
    .weighted_sum = avx2_weighted_sum,
    .scale_scores = avx2_scale_scores,
    .exp_shares = avx2_exp_shares,
    .round_weights = avx2_round_weights,
    .silu_mul = avx2_silu_mul,
};
#endif
