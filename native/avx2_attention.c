/* AVX2 kernels of attention, in the order of portable.c. */

#include "kernels.h"
#include "tables.h"

#if defined(__x86_64__)
#include "avx2.h"

AVX2 void avx2_dots(const int8_t *q, const int8_t *k, int positions, int stride, int32_t *out)
{
    const __m256i ones = _mm256_set1_epi16(1);
    int j = 0;
    for (; j + 4 <= positions; j += 4) {
        __m256i acc[4];
        for (int r = 0; r < 4; r++)
            acc[r] = _mm256_setzero_si256();
        for (int d = 0; d < stride; d += 32) {
            __m256i query = load(q + d), magnitude = _mm256_abs_epi8(query);
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) {
                __m256i key = _mm256_sign_epi8(load(k + (int64_t)(j + r) * stride + d), query);
                acc[r] = _mm256_add_epi32(acc[r], _mm256_madd_epi16(_mm256_maddubs_epi16(magnitude, key), ones));
            }
        }
        _mm_storeu_si128((__m128i *)(out + j), sum4(acc[0], acc[1], acc[2], acc[3]));
    }
    kernels_portable.dots(q, k + (int64_t)j * stride, positions - j, stride, out + j);
}

/* 16 columns of two positions at a time: bytes interleaved, widened, multiplied by the pair of weights. */
AVX2 void avx2_weighted_sum(const int16_t *weights, const int8_t *v, int positions, int stride, int64_t *out)
{
    for (int d = 0; d < stride; d += 16) {
        __m256i total[4];
        for (int part = 0; part < 4; part++)
            total[part] = _mm256_setzero_si256();
        for (int begin = 0; begin < positions; begin += WEIGHTED_SUM_BLOCK) {
            int end = begin + WEIGHTED_SUM_BLOCK < positions ? begin + WEIGHTED_SUM_BLOCK : positions;
            __m256i low = _mm256_setzero_si256(), high = low;
            for (int j = begin; j < end; j += 2) {
                int pair = j + 1 < end;
                __m128i a = _mm_loadu_si128((const __m128i *)(v + (int64_t)j * stride + d));
                __m128i b = pair ? _mm_loadu_si128((const __m128i *)(v + (int64_t)(j + 1) * stride + d))
                                 : _mm_setzero_si128();
                uint32_t w = (uint16_t)weights[j] | (pair ? (uint32_t)(uint16_t)weights[j + 1] << 16 : 0);
                __m256i both = _mm256_set1_epi32((int32_t)w);
                low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b)), both));
                high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b)), both));
            }
            total[0] = _mm256_add_epi64(total[0], _mm256_cvtepi32_epi64(_mm256_castsi256_si128(low)));
            total[1] = _mm256_add_epi64(total[1], _mm256_cvtepi32_epi64(_mm256_extracti128_si256(low, 1)));
            total[2] = _mm256_add_epi64(total[2], _mm256_cvtepi32_epi64(_mm256_castsi256_si128(high)));
            total[3] = _mm256_add_epi64(total[3], _mm256_cvtepi32_epi64(_mm256_extracti128_si256(high, 1)));
        }
        for (int part = 0; part < 4; part++)
            store(out + d + 4 * part, total[part]);
    }
}

/* Four scores at a time. A key's scale is one 64-bit lane: mantissa low, exponent high. */
AVX2 int32_t avx2_scale_scores(int32_t *scores, const struct scale *keys, struct scale query, int n)
{
    const __m256i one = _mm256_set1_epi64x(1), bias = _mm256_set1_epi64x(INT64_MIN), low = _mm256_set1_epi64x(0xffffffff);
    const __m256i exponent = _mm256_set1_epi32(query.exponent - 16), mantissa = _mm256_set1_epi64x(query.mantissa);
    const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
    __m128i max = _mm_set1_epi32(-INT32_LIMIT);
    int j = 0;
    for (; j + 4 <= n; j += 4) {
        __m256i key = load(keys + j);
        __m256i s = _mm256_add_epi32(_mm256_srli_epi64(key, 32), exponent);
        s = _mm256_and_si256(_mm256_max_epi32(_mm256_min_epi32(s, _mm256_set1_epi32(62)), _mm256_set1_epi32(1)), low);
        __m256i v = _mm256_cvtepi32_epi64(_mm_loadu_si128((const __m128i *)(scores + j)));
        v = _mm256_mul_epi32(v, _mm256_mul_epi32(key, mantissa));
        v = _mm256_add_epi64(v, _mm256_sllv_epi64(one, _mm256_sub_epi64(s, one)));
        v = _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_xor_si256(v, bias), s), _mm256_srlv_epi64(bias, s));
        __m128i out = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(saturate_64(v), even));
        _mm_storeu_si128((__m128i *)(scores + j), out);
        max = _mm_max_epi32(max, out);
    }
    int32_t lanes[4], result = kernels_portable.scale_scores(scores + j, keys + j, query, n - j);
    _mm_storeu_si128((__m128i *)lanes, max);
    for (int lane = 0; lane < 4; lane++)
        result = lanes[lane] > result ? lanes[lane] : result;
    return result;
}

/* Shifts of 31 and more give zero by themselves: the value is at most 2^30. */
AVX2_INLINE __m256i exp2_neg(__m256i x)
{
    const __m256i byte = _mm256_set1_epi32(255);
    __m256i index = _mm256_and_si256(_mm256_srli_epi32(x, 8), byte), fraction = _mm256_and_si256(x, byte);
    __m256i high = _mm256_i32gather_epi32(EXP2_Q30, index, 4);
    __m256i step = _mm256_sub_epi32(high, _mm256_i32gather_epi32(EXP2_Q30 + 1, index, 4));
    __m256i value = _mm256_sub_epi32(high, _mm256_srli_epi32(_mm256_mullo_epi32(step, fraction), 8));
    return _mm256_srlv_epi32(value, _mm256_srli_epi32(x, 16));
}

AVX2_INLINE __m256i max_64(__m256i a, __m256i b) { return _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(b, a)); }

AVX2 void avx2_exp_shares(int32_t *scores, int32_t max, const int32_t *value_max, int n, uint64_t *total,
                          uint64_t *peak)
{
    const __m256i top = _mm256_set1_epi32(max), low = _mm256_set1_epi64x(0xffffffff);
    __m256i sum = _mm256_setzero_si256(), most = sum;
    int j = 0;
    for (; j + 8 <= n; j += 8) {
        __m256i share = exp2_neg(_mm256_sub_epi32(top, load(scores + j))), v = load(value_max + j);
        store(scores + j, share);
        sum = _mm256_add_epi64(sum, _mm256_add_epi64(_mm256_and_si256(share, low), odd_lanes(share)));
        most = max_64(most, _mm256_mul_epu32(share, v));
        most = max_64(most, _mm256_mul_epu32(odd_lanes(share), odd_lanes(v)));
    }
    uint64_t sums[4], products[4];
    kernels_portable.exp_shares(scores + j, max, value_max + j, n - j, total, peak);
    store(sums, sum);
    store(products, most);
    for (int lane = 0; lane < 4; lane++) {
        *total += sums[lane];
        *peak = products[lane] > *peak ? products[lane] : *peak;
    }
}

/* Products stay under 2^61, so the logical shift is right. */
AVX2 void avx2_round_weights(const int32_t *shares, const int32_t *value_max, int n, int drop, int16_t *weights)
{
    const __m256i half = _mm256_set1_epi64x(drop ? (int64_t)1 << (drop - 1) : 0), most = _mm256_set1_epi32(32767);
    const __m128i s = _mm_cvtsi32_si128(drop);
    int j = 0;
    for (; j + 8 <= n; j += 8) {
        __m256i e = load(shares + j), v = load(value_max + j);
        __m256i even = _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epu32(e, v), half), s);
        __m256i odd = _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epu32(odd_lanes(e), odd_lanes(v)), half), s);
        __m256i w = _mm256_min_epi32(merge(even, odd), most);
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packs_epi32(w, w), 0x08);
        _mm_storeu_si128((__m128i *)(weights + j), _mm256_castsi256_si128(packed));
    }
    kernels_portable.round_weights(shares + j, value_max + j, n - j, drop, weights + j);
}
#endif
