/* Matrix products with AVX-512 alone: bytes are widened to 16 bits, where products and their pairs are exact. A block is
 * two vectors of eight rows; every row has two lanes, for columns 0-1 and 2-3 of each four. */

#include "kernels.h"

#if defined(__x86_64__)
#include "avx512.h"

#include <string.h>

enum { TOKENS = 6 };   /* of a tile: twelve sums */

/* Four values of x as 16 bits, for every row. */
AVX512_INLINE __m512i four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, sizeof v);
    return _mm512_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(v)));
}

AVX512_INLINE __m512i widen(const uint8_t *w) { return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)w)); }

/* 255 * 127 * 2 fits the 32 bits of a pair. */
AVX512_INLINE __m512i add_products(__m512i sum, __m512i w, __m512i x)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(w, x));
}

/* Adds the two lanes of each row. */
AVX512_INLINE __m512i join(__m512i low, __m512i high)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_permutex2var_epi32(low, even, high), _mm512_permutex2var_epi32(low, odd, high));
}

AVX512_INLINE void tile(const int tokens, const uint8_t *w, int depth, struct vectors x, int t, int32_t *out,
                        int64_t out_stride)
{
    const int8_t *vector = x.data + t * x.stride;
    __m512i sum[TOKENS][2];
#pragma GCC unroll 6
    for (int i = 0; i < tokens; i++)
        sum[i][0] = sum[i][1] = _mm512_setzero_si512();
    for (int k = 0; k < depth; k += 4) {
        __m512i low = widen(w + 16 * k), high = widen(w + 16 * k + 32);
        _mm_prefetch((const char *)(w + 16 * k + fetch_ahead), _MM_HINT_T0);
#pragma GCC unroll 6
        for (int i = 0; i < tokens; i++) {
            __m512i a = four(vector + i * x.stride + k);
            sum[i][0] = add_products(sum[i][0], low, a);
            sum[i][1] = add_products(sum[i][1], high, a);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < tokens; i++)
        store512(out + (t + i) * out_stride,
                 _mm512_sub_epi32(join(sum[i][0], sum[i][1]), _mm512_set1_epi32(x.excess[t + i])));
}

AVX512 static void gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                        int32_t *out, int64_t out_stride)
{
    for (int b = 0; b < blocks; b++, w += block_bytes, out += BLOCK_ROWS) {
        int t = 0;
        for (; t + 6 <= tokens; t += 6)
            tile(6, w, depth, x, t, out, out_stride);
        for (; t + 2 <= tokens; t += 2)
            tile(2, w, depth, x, t, out, out_stride);
        if (t < tokens)
            tile(1, w, depth, x, t, out, out_stride);
    }
}

const struct kernels kernels_avx512 = {
    .name = "avx512",
    .usable = avx512_usable,
    .gemm = gemm,
    .unpack = avx512_unpack,
    .requantise = avx512_requantise,
    .max_abs = avx512_max_abs,
    .sum_squares = avx512_sum_squares,
    .quantise = avx512_quantise,
    .add = avx512_add,
    .rotate = avx512_rotate,
    .silu_mul = avx512_silu_mul,
    .hadamard = avx512_hadamard,
    .scale_scores = avx512_scale_scores,
    .weigh = avx512_weigh,
    .combine = avx512_combine,
};
#endif
