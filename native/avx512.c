/* AVX-512 kernels for all that is not a matrix product, in the order of portable.c. Tails are masked lanes. */

#include "kernels.h"

#if defined(__x86_64__)
#include "avx512.h"
#include "q15.h"

#ifdef RAIL_EMULATE
int avx512_usable(void) { return 1; }
#else
int avx512_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

AVX512_INLINE __m512i load_lanes(__mmask16 m, const void *p) { return _mm512_maskz_loadu_epi32(m, p); }

/* 16-bit lanes as 32-bit ones. */
AVX512_INLINE __m512i load_i16(__mmask16 m, const int16_t *p)
{
    return _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(m, p));
}

AVX512_INLINE __m512i odd_lanes(__m512i v) { return _mm512_srli_epi64(v, 32); }

/* Even and odd 32-bit lanes as 64-bit values back into sixteen lanes. */
AVX512_INLINE __m512i merge(__m512i even, __m512i odd)
{
    return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}

AVX512_INLINE __m512i round_shift_64(__m512i v, __m512i half, __m128i s)
{
    return _mm512_sra_epi64(_mm512_add_epi64(v, half), s);
}

AVX512_INLINE __m512i limit_64(__m512i v, int64_t limit)
{
    return _mm512_max_epi64(_mm512_min_epi64(v, _mm512_set1_epi64(limit)), _mm512_set1_epi64(-limit));
}

AVX512_INLINE __m512i saturate_64(__m512i v) { return limit_64(v, INT32_LIMIT); }

/* Eight columns of a block. */
AVX512 void avx512_unpack(const struct packed4 *w, int depth, uint8_t *out)
{
    const __m512i low_half = _mm512_set1_epi8(15);
    for (int s = 0; s < depth / 8; s++) {
        __m512i halves = load512(w->halves + 64 * (int64_t)s);
        __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(w->codebooks + 16 * w->codes[2 * s])));
        __m512i high =
            _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(w->codebooks + 16 * w->codes[2 * s + 1])));
        store512(out + 128 * (int64_t)s, _mm512_shuffle_epi8(low, _mm512_and_si512(halves, low_half)));
        store512(out + 128 * (int64_t)s + 64,
                 _mm512_shuffle_epi8(high, _mm512_and_si512(_mm512_srli_epi16(halves, 4), low_half)));
    }
}

/* From shift 31 on a product, which is under 2^61, cannot leave the 32 bits. */
AVX512 void avx512_requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n,
                              int32_t *out)
{
    const __m128i s = _mm_cvtsi32_si128(shift);
    const __m512i half = _mm512_set1_epi64((int64_t)1 << (shift - 1)), m = _mm512_set1_epi32(mantissa);
    for (int i = 0; i < n; i += 16) {
        __mmask16 in = lanes(n - i);
        __m512i a = load_lanes(in, acc + i);
        __m512i f = _mm512_mullo_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(in, scales + i)), m);
        __m512i even = round_shift_64(_mm512_mul_epi32(a, f), half, s);
        __m512i odd = round_shift_64(_mm512_mul_epi32(odd_lanes(a), odd_lanes(f)), half, s);
        if (shift < 31) {
            even = saturate_64(even);
            odd = saturate_64(odd);
        }
        _mm512_mask_storeu_epi32(out + i, in, merge(even, odd));
    }
}

AVX512 uint32_t avx512_max_abs(const int32_t *x, int n)
{
    __m512i max = _mm512_setzero_si512();
    for (int i = 0; i < n; i += 16)
        max = _mm512_max_epu32(max, _mm512_abs_epi32(load_lanes(lanes(n - i), x + i)));
    return _mm512_reduce_max_epu32(max);
}

/* The dropped bits round by themselves: floor(x / 2^d + 1/2) is x >> d plus the highest bit that is dropped. */
AVX512 uint64_t avx512_sum_squares(const int32_t *x, int n, int drop)
{
    const __m128i s = _mm_cvtsi32_si128(drop), above = _mm_cvtsi32_si128(drop ? drop - 1 : 0);
    const __m512i carry = _mm512_set1_epi32(drop != 0);
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i < n; i += 16) {
        __m512i v = load_lanes(lanes(n - i), x + i);
        v = _mm512_add_epi32(_mm512_sra_epi32(v, s), _mm512_and_si512(_mm512_sra_epi32(v, above), carry));
        __m512i odd = odd_lanes(v);
        sum = _mm512_add_epi64(sum, _mm512_add_epi64(_mm512_mul_epi32(v, v), _mm512_mul_epi32(odd, odd)));
    }
    return (uint64_t)_mm512_reduce_add_epi64(sum);
}

AVX512 int32_t avx512_quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out)
{
    const __m128i s = _mm_cvtsi32_si128(shift);
    const __m512i half = _mm512_set1_epi64((int64_t)1 << (shift - 1)), r = _mm512_set1_epi32(reciprocal);
    __m512i sum = _mm512_setzero_si512();
    for (int i = 0; i < n; i += 16) {
        __mmask16 in = lanes(n - i);
        __m512i v = load_lanes(in, x + i);
        __m512i even = round_shift_64(_mm512_mul_epi32(v, r), half, s);
        __m512i odd = round_shift_64(_mm512_mul_epi32(odd_lanes(v), r), half, s);
        __m512i q = merge(even, odd);
        sum = _mm512_add_epi32(sum, q);
        _mm512_mask_cvtepi32_storeu_epi8(out + i, in, q);
    }
    return _mm512_reduce_add_epi32(sum);
}

/* An overflow shows where the sum has another sign than both parts. */
AVX512_INLINE __m512i add_saturated(__m512i x, __m512i y)
{
    const __m512i limit = _mm512_set1_epi32(INT32_LIMIT);
    __m512i sum = _mm512_add_epi32(x, y);
    __mmask16 over = _mm512_movepi32_mask(_mm512_and_si512(_mm512_xor_si512(x, sum), _mm512_xor_si512(y, sum)));
    sum = _mm512_mask_xor_epi32(sum, over, _mm512_srai_epi32(x, 31), limit);
    return _mm512_max_epi32(sum, _mm512_set1_epi32(-INT32_LIMIT));
}

AVX512 void avx512_add(int32_t *x, const int32_t *y, int n)
{
    for (int i = 0; i < n; i += 16) {
        __mmask16 in = lanes(n - i);
        _mm512_mask_storeu_epi32(x + i, in, add_saturated(load_lanes(in, x + i), load_lanes(in, y + i)));
    }
}

AVX512 void avx512_rotate(int32_t *x, const int32_t *turn, int n)
{
    const __m512i half = _mm512_set1_epi64(1 << 29);
    const __m128i s = _mm_cvtsi32_si128(30);
    for (int i = 0; i < n; i += 16) {
        __mmask16 in = lanes(n - i);
        __m512i a = load_lanes(in, x + i), b = odd_lanes(a), cosine = load_lanes(in, turn + i), sine = odd_lanes(cosine);
        __m512i even = _mm512_sub_epi64(_mm512_mul_epi32(a, cosine), _mm512_mul_epi32(b, sine));
        __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(a, sine), _mm512_mul_epi32(b, cosine));
        even = saturate_64(round_shift_64(even, half, s));
        odd = saturate_64(round_shift_64(odd, half, s));
        _mm512_mask_storeu_epi32(x + i, in, merge(even, odd));
    }
}

/* In the functions of 15 bits the values stand in the low halves of the lanes, and the high halves stay zero. */
AVX512_INLINE __m512i low_half(int16_t v) { return _mm512_set1_epi32((uint16_t)v); }

AVX512_INLINE __m512i horner(__m512i x, __m512i value, int16_t coefficient)
{
    return _mm512_add_epi16(low_half(coefficient), _mm512_mulhrs_epi16(x, value));
}

AVX512_INLINE __m512i exp2_fraction_16(__m512i f)
{
    __m512i v = horner(f, low_half(EXP2_C4), EXP2_C3);
    return horner(f, horner(f, horner(f, v, EXP2_C2), EXP2_C1), EXP2_C0);
}

AVX512_INLINE __m512i sigmoid_16(__m512i x)
{
    __m512i a = _mm512_min_epu32(_mm512_abs_epi32(x), _mm512_set1_epi32((16 << 16) - 1));
    __m512i z = _mm512_srli_epi32(_mm512_madd_epi16(_mm512_srli_epi32(a, 5), low_half(LOG2E_Q14)), 10);
    __m512i share = exp2_fraction_16(_mm512_and_si512(z, _mm512_set1_epi32(32767)));
    __m512i v = _mm512_sub_epi16(_mm512_srlv_epi32(share, _mm512_srli_epi32(z, 15)), low_half(16384));
    __m512i r = horner(v, horner(v, low_half(RECIP_C6), RECIP_C5), RECIP_C4);
    r = horner(v, horner(v, horner(v, horner(v, r, RECIP_C3), RECIP_C2), RECIP_C1), RECIP_C0);
    return _mm512_mask_sub_epi32(r, _mm512_movepi32_mask(x), low_half(32767), r);
}

/* gate * sigmoid * up for eight lanes; the rounded silu fits 32 bits because sigmoid < 1. */
AVX512_INLINE __m512i silu_mul_64(__m512i gate, __m512i sigmoid, __m512i up)
{
    __m512i silu = round_shift_64(_mm512_mul_epi32(gate, sigmoid), _mm512_set1_epi64(1 << 14), _mm_cvtsi32_si128(15));
    __m512i product = _mm512_mul_epi32(silu, up);
    return saturate_64(round_shift_64(product, _mm512_set1_epi64(1 << 15), _mm_cvtsi32_si128(16)));
}

AVX512 void avx512_silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out)
{
    for (int i = 0; i < n; i += 16) {
        __mmask16 in = lanes(n - i);
        __m512i g = load_lanes(in, gate + i), u = load_lanes(in, up + i), s = sigmoid_16(g);
        __m512i even = silu_mul_64(g, s, u), odd = silu_mul_64(odd_lanes(g), odd_lanes(s), odd_lanes(u));
        _mm512_mask_storeu_epi32(out + i, in, merge(even, odd));
    }
}

/* One stage inside a vector: `other` holds each lane's partner, `second` marks the lanes that are subtracted. */
AVX512_INLINE __m512i butterfly(__m512i v, __m512i other, __mmask16 second)
{
    return _mm512_mask_sub_epi32(_mm512_add_epi32(v, other), second, other, v);
}

AVX512 void avx512_hadamard(int32_t *x, int n, int log2)
{
    int whole = n & ~15;
    for (int i = 0; i < whole; i += 16) {
        __m512i v = load512(x + i);
        if (log2 > 0)
            v = butterfly(v, _mm512_shuffle_epi32(v, _MM_PERM_CDAB), 0xaaaa);
        if (log2 > 1)
            v = butterfly(v, _mm512_shuffle_epi32(v, _MM_PERM_BADC), 0xcccc);
        if (log2 > 2)
            v = butterfly(v, _mm512_shuffle_i64x2(v, v, 0xb1), 0xf0f0);
        if (log2 > 3)
            v = butterfly(v, _mm512_shuffle_i64x2(v, v, 0x4e), 0xff00);
        store512(x + i, v);
    }
    for (int half = 16; half < 1 << log2; half *= 2)
        for (int i = 0; i < n; i += 2 * half)
            for (int j = i; j < i + half; j += 16) {
                __m512i a = load512(x + j), b = load512(x + j + half);
                store512(x + j, _mm512_add_epi32(a, b));
                store512(x + j + half, _mm512_sub_epi32(a, b));
            }
    portable_hadamard(x + whole, n - whole, log2);   /* only where a block is shorter than a vector */
}

/* round_shift by s + 1 in each 64-bit lane. */
AVX512_INLINE __m512i round_shift_lanes(__m512i v, __m512i s)
{
    return _mm512_srai_epi64(_mm512_add_epi64(_mm512_srav_epi64(v, s), _mm512_set1_epi64(1)), 1);
}

AVX512 void avx512_scale_scores(int32_t *scores, struct scale query, const struct positions *p, int n,
                                struct softmax *found)
{
    const __m512i mantissa = _mm512_set1_epi32(query.mantissa), exponent = _mm512_set1_epi32(query.exponent - 17);
    const __m512i most = _mm512_set1_epi32(61), even_lanes = _mm512_set1_epi64(0xffffffff);
    __m512i max = _mm512_set1_epi32(INT32_MIN), top = max;
    for (int j = 0; j < n; j += 16) {
        __mmask16 in = lanes(n - j);
        __m512i v = load_lanes(in, scores + j);
        __m512i factor = _mm512_madd_epi16(load_i16(in, p->key_mantissa + j), mantissa);
        __m512i s = _mm512_add_epi32(load_i16(in, p->key_exponent + j), exponent);
        s = _mm512_max_epi32(_mm512_min_epi32(s, most), _mm512_setzero_si512());
        __m512i even = round_shift_lanes(_mm512_mul_epi32(v, factor), _mm512_and_si512(s, even_lanes));
        __m512i odd = round_shift_lanes(_mm512_mul_epi32(odd_lanes(v), odd_lanes(factor)), odd_lanes(s));
        v = merge(limit_64(even, SCORE_LIMIT), limit_64(odd, SCORE_LIMIT));
        _mm512_mask_storeu_epi32(scores + j, in, v);
        max = _mm512_mask_max_epi32(max, in, max, v);
        v = _mm512_sub_epi32(v, _mm512_slli_epi32(load_i16(in, p->value_exponent + j), 16));
        top = _mm512_mask_max_epi32(top, in, top, v);
    }
    found->max = _mm512_reduce_max_epi32(max);
    found->top = _mm512_reduce_max_epi32(top);
    found->total = 0;
}

/* Shifts of 32 and more give zero by themselves. A share is under 2^24, so 64 of them in a lane are under 2^30. */
AVX512 void avx512_weigh(const int32_t *scores, const struct positions *p, int n, int8_t *high, int8_t *low,
                         struct softmax *found)
{
    const __m512i max = _mm512_set1_epi32(found->max), fraction = _mm512_set1_epi32(32767);
    const __m512i peak = _mm512_set1_epi32((found->top - found->max + 65535) >> 16), one = _mm512_set1_epi32(1);
    __m512i highs = _mm512_setzero_si512(), lows = highs, total = highs;
    for (int begin = 0; begin < n; begin += 1024) {
        __m512i shares = _mm512_setzero_si512();
        for (int j = begin; j < n && j < begin + 1024; j += 16) {
            __mmask16 in = lanes(n - j);
            __m512i x = _mm512_sub_epi32(max, load_lanes(in, scores + j)), whole = _mm512_srli_epi32(x, 16);
            __m512i share = exp2_fraction_16(_mm512_and_si512(_mm512_srli_epi32(x, 1), fraction));
            share = _mm512_maskz_mov_epi32(in, share);
            shares = _mm512_add_epi32(shares, _mm512_srlv_epi32(_mm512_slli_epi32(share, 9), whole));
            __m512i w = _mm512_mulhrs_epi16(share, load_i16(in, p->value_mantissa + j));
            __m512i s = _mm512_add_epi32(_mm512_add_epi32(peak, load_i16(in, p->value_exponent + j)), whole);
            w = _mm512_srli_epi32(_mm512_add_epi32(_mm512_srlv_epi32(w, s), one), 1);
            __m512i h = _mm512_srli_epi32(w, 7), l = _mm512_and_si512(w, _mm512_set1_epi32(127));
            highs = _mm512_add_epi32(highs, h);
            lows = _mm512_add_epi32(lows, l);
            _mm512_mask_cvtepi32_storeu_epi8(high + j, in, h);
            _mm512_mask_cvtepi32_storeu_epi8(low + j, in, l);
        }
        total = _mm512_add_epi64(total, _mm512_add_epi64(odd_lanes(shares), _mm512_and_si512(shares, _mm512_set1_epi64(0xffffffff))));
    }
    found->total += (uint64_t)_mm512_reduce_add_epi64(total);
    found->high = _mm512_reduce_add_epi32(highs);
    found->low = _mm512_reduce_add_epi32(lows);
}

AVX512 void avx512_combine(const int64_t *sums, struct scale scale, int n, int32_t *out)
{
    int shift = scale.exponent < 1 ? 1 : scale.exponent > 62 ? 62 : scale.exponent;
    const __m512i half = _mm512_set1_epi64((int64_t)1 << (shift - 1)), m = _mm512_set1_epi64(scale.mantissa);
    for (int i = 0; i < n; i += 8) {
        __mmask8 in = (__mmask8)(n - i >= 8 ? 0xff : (1 << (n - i)) - 1);
        __m512i v = _mm512_mullo_epi64(_mm512_maskz_loadu_epi64(in, sums + i), m);
        v = saturate_64(round_shift_64(v, half, _mm_cvtsi32_si128(shift)));
        _mm256_mask_storeu_epi32(out + i, in, _mm512_cvtepi64_epi32(v));
    }
}
#endif
