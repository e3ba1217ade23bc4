/* Vector helpers that the AVX2 files share. */
#ifndef RAIL_AVX2_H
#define RAIL_AVX2_H

#include "kernels.h"

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

AVX2_INLINE __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
AVX2_INLINE void store(void *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }

/* Adds up the eight lanes of each of four vectors. */
AVX2_INLINE __m128i sum4(__m256i a, __m256i b, __m256i c, __m256i d)
{
    __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

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

/* Saturates four 64-bit lanes to [-(2^31-1), 2^31-1]. */
AVX2_INLINE __m256i saturate_64(__m256i v)
{
    const __m256i high = _mm256_set1_epi64x(INT32_LIMIT), low = _mm256_set1_epi64x(-INT32_LIMIT);
    v = _mm256_blendv_epi8(v, high, _mm256_cmpgt_epi64(v, high));
    return _mm256_blendv_epi8(v, low, _mm256_cmpgt_epi64(low, v));
}

/* Even and odd 32-bit lanes as 64-bit products back into eight 32-bit lanes. */
AVX2_INLINE __m256i merge(__m256i even, __m256i odd)
{
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

AVX2_INLINE __m256i odd_lanes(__m256i v) { return _mm256_srli_epi64(v, 32); }

#endif
