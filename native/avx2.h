/* Vector helpers that the AVX2 files share. */
#ifndef RAIL_AVX2_H
#define RAIL_AVX2_H

#include "kernels.h"
#include "q15.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

AVX2_INLINE __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
AVX2_INLINE void store(void *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }
AVX2_INLINE __m256i load_i16(const int16_t *p) { return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)p)); }

/* Arithmetic right shift of four 64-bit lanes: AVX2 has only the logical one, so the sign travels as a bias.
 * |v| < 2^63 - 2^61 and 1 <= s <= 62. */
AVX2_INLINE __m256i shift_right_64(__m256i v, __m128i s)
{
    const __m256i bias = _mm256_set1_epi64x(INT64_MIN);
    __m256i shifted = _mm256_srl_epi64(_mm256_xor_si256(v, bias), s);
    return _mm256_sub_epi64(shifted, _mm256_srl_epi64(bias, s));
}

AVX2_INLINE __m256i round_shift_64(__m256i v, __m256i half, __m128i s)
{
    return shift_right_64(_mm256_add_epi64(v, half), s);
}

AVX2_INLINE __m256i limit_64(__m256i v, int64_t limit)
{
    const __m256i high = _mm256_set1_epi64x(limit), low = _mm256_set1_epi64x(-limit);
    v = _mm256_blendv_epi8(v, high, _mm256_cmpgt_epi64(v, high));
    return _mm256_blendv_epi8(v, low, _mm256_cmpgt_epi64(low, v));
}

/* Saturates four 64-bit lanes to [-(2^31-1), 2^31-1]. */
AVX2_INLINE __m256i saturate_64(__m256i v) { return limit_64(v, INT32_LIMIT); }

/* Even and odd 32-bit lanes as 64-bit values back into eight 32-bit lanes. */
AVX2_INLINE __m256i merge(__m256i even, __m256i odd)
{
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

AVX2_INLINE __m256i odd_lanes(__m256i v) { return _mm256_srli_epi64(v, 32); }

/* The low bytes of eight lanes. */
AVX2_INLINE void store_bytes(int8_t *p, __m256i v)
{
    const __m256i low_bytes = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                               0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m256i bytes = _mm256_shuffle_epi8(v, low_bytes);
    int32_t words[2] = {_mm256_extract_epi32(bytes, 0), _mm256_extract_epi32(bytes, 4)};
    __builtin_memcpy(p, words, sizeof words);
}

AVX2_INLINE int32_t sum_lanes(__m256i v)
{
    int32_t lanes[8], sum = 0;
    store(lanes, v);
    for (int i = 0; i < 8; i++)
        sum += lanes[i];
    return sum;
}

/* In the functions of 15 bits the values stand in the low halves of the lanes, and the high halves stay zero. */
AVX2_INLINE __m256i low_half(int16_t v) { return _mm256_set1_epi32((uint16_t)v); }

AVX2_INLINE __m256i horner(__m256i x, __m256i value, int16_t coefficient)
{
    return _mm256_add_epi16(low_half(coefficient), _mm256_mulhrs_epi16(x, value));
}

AVX2_INLINE __m256i exp2_fraction_16(__m256i f)
{
    __m256i v = horner(f, low_half(EXP2_C4), EXP2_C3);
    return horner(f, horner(f, horner(f, v, EXP2_C2), EXP2_C1), EXP2_C0);
}

void avx2_gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens, int32_t *out,
               int64_t out_stride);
void avx2_unpack(const struct packed4 *w, int depth, uint8_t *out);
void avx2_scale_scores(int32_t *scores, struct scale query, const struct positions *p, int n, struct softmax *found);
void avx2_weigh(const int32_t *scores, const struct positions *p, int n, int8_t *high, int8_t *low,
                struct softmax *found);

#endif
