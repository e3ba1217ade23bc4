/* AVX2 kernels of the softmax, in the order of portable.c. */

#include "kernels.h"

#if defined(__x86_64__)
#include "avx2.h"

/* round_shift in each 64-bit lane. */
AVX2_INLINE __m256i round_shift_lanes(__m256i v, __m256i s)
{
    const __m256i one = _mm256_set1_epi64x(1), bias = _mm256_set1_epi64x(INT64_MIN);
    v = _mm256_add_epi64(v, _mm256_sllv_epi64(one, _mm256_sub_epi64(s, one)));
    return _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_xor_si256(v, bias), s), _mm256_srlv_epi64(bias, s));
}

AVX2_INLINE int32_t max_lane(__m256i v, int32_t result)
{
    int32_t lanes[8];
    store(lanes, v);
    for (int i = 0; i < 8; i++)
        result = lanes[i] > result ? lanes[i] : result;
    return result;
}

static struct positions after(const struct positions *p, int n)
{
    return (struct positions){p->key_mantissa + n, p->key_exponent + n, p->value_mantissa + n, p->value_exponent + n};
}

AVX2 void avx2_scale_scores(int32_t *scores, struct scale query, const struct positions *p, int n,
                            struct softmax *found)
{
    const __m256i mantissa = _mm256_set1_epi32(query.mantissa), exponent = _mm256_set1_epi32(query.exponent - 16);
    const __m256i low = _mm256_set1_epi64x(0xffffffff), least = _mm256_set1_epi32(1), most = _mm256_set1_epi32(62);
    __m256i max = _mm256_set1_epi32(INT32_MIN), top = max;
    int j = 0;
    for (; j + 8 <= n; j += 8) {
        __m256i v = load(scores + j), factor = _mm256_madd_epi16(load_i16(p->key_mantissa + j), mantissa);
        __m256i s = _mm256_add_epi32(load_i16(p->key_exponent + j), exponent);
        s = _mm256_max_epi32(_mm256_min_epi32(s, most), least);
        __m256i even = round_shift_lanes(_mm256_mul_epi32(v, factor), _mm256_and_si256(s, low));
        __m256i odd = round_shift_lanes(_mm256_mul_epi32(odd_lanes(v), odd_lanes(factor)), odd_lanes(s));
        v = merge(limit_64(even, SCORE_LIMIT), limit_64(odd, SCORE_LIMIT));
        store(scores + j, v);
        max = _mm256_max_epi32(max, v);
        top = _mm256_max_epi32(top, _mm256_sub_epi32(v, _mm256_slli_epi32(load_i16(p->value_exponent + j), 16)));
    }
    struct positions rest = after(p, j);
    portable_scale_scores(scores + j, query, &rest, n - j, found);
    found->max = max_lane(max, found->max);
    found->top = max_lane(top, found->top);
}

/* Shifts of 32 and more give zero by themselves. A share is under 2^24, so 64 of them in a lane are under 2^30. */
AVX2 void avx2_weigh(const int32_t *scores, const struct positions *p, int n, int8_t *high, int8_t *low,
                     struct softmax *found)
{
    const __m256i max = _mm256_set1_epi32(found->max), fraction = _mm256_set1_epi32(32767);
    const __m256i peak = _mm256_set1_epi32((found->top - found->max + 65535) >> 16), one = _mm256_set1_epi32(1);
    __m256i highs = _mm256_setzero_si256(), lows = highs, total = highs;
    int j = 0;
    while (j + 8 <= n) {
        __m256i shares = _mm256_setzero_si256();
        for (int end = j + 512; j + 8 <= n && j < end; j += 8) {
            __m256i x = _mm256_sub_epi32(max, load(scores + j)), whole = _mm256_srli_epi32(x, 16);
            __m256i share = exp2_fraction_16(_mm256_and_si256(_mm256_srli_epi32(x, 1), fraction));
            shares = _mm256_add_epi32(shares, _mm256_srlv_epi32(_mm256_slli_epi32(share, 9), whole));
            __m256i w = _mm256_mulhrs_epi16(share, load_i16(p->value_mantissa + j));
            __m256i s = _mm256_add_epi32(_mm256_add_epi32(peak, load_i16(p->value_exponent + j)), whole);
            w = _mm256_srli_epi32(_mm256_add_epi32(_mm256_srlv_epi32(w, s), one), 1);
            __m256i h = _mm256_srli_epi32(w, 7), l = _mm256_and_si256(w, _mm256_set1_epi32(127));
            highs = _mm256_add_epi32(highs, h);
            lows = _mm256_add_epi32(lows, l);
            store_bytes(high + j, h);
            store_bytes(low + j, l);
        }
        __m256i even = _mm256_and_si256(shares, _mm256_set1_epi64x(0xffffffff));
        total = _mm256_add_epi64(total, _mm256_add_epi64(odd_lanes(shares), even));
    }
    struct positions rest = after(p, j);
    portable_weigh(scores + j, &rest, n - j, high + j, low + j, found);
    uint64_t totals[4];
    store(totals, total);
    found->total += totals[0] + totals[1] + totals[2] + totals[3];
    found->high += sum_lanes(highs);
    found->low += sum_lanes(lows);
}
#endif
