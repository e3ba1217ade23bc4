/* AVX2 kernels, in the order of portable.c; products and the softmax are in files of their own. Compiled with baseline
 * flags; each function names its target. */

#include "kernels.h"

#if defined(__x86_64__)
#include "avx2.h"

static int usable(void) { return __builtin_cpu_supports("avx2"); }

AVX2 static void requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n,
                            int32_t *out)
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
    portable_requantise(acc + i, scales + i, mantissa, shift, n - i, out + i);
}

AVX2 static uint32_t max_abs(const int32_t *x, int n)
{
    __m256i max = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= n; i += 8)
        max = _mm256_max_epu32(max, _mm256_abs_epi32(load(x + i)));
    uint32_t lanes[8], result = portable_max_abs(x + i, n - i);
    store(lanes, max);
    for (int lane = 0; lane < 8; lane++)
        result = lanes[lane] > result ? lanes[lane] : result;
    return result;
}

/* The dropped bits round by themselves: floor(x / 2^d + 1/2) is x >> d plus the highest bit that is dropped. */
AVX2 static uint64_t sum_squares(const int32_t *x, int n, int drop)
{
    const __m128i s = _mm_cvtsi32_si128(drop), above = _mm_cvtsi32_si128(drop ? drop - 1 : 0);
    const __m256i carry = _mm256_set1_epi32(drop != 0);
    __m256i sum = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = load(x + i);
        v = _mm256_add_epi32(_mm256_sra_epi32(v, s), _mm256_and_si256(_mm256_sra_epi32(v, above), carry));
        __m256i odd = odd_lanes(v);
        sum = _mm256_add_epi64(sum, _mm256_add_epi64(_mm256_mul_epi32(v, v), _mm256_mul_epi32(odd, odd)));
    }
    uint64_t lanes[4];
    store(lanes, sum);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3] + portable_sum_squares(x + i, n - i, drop);
}

AVX2 static int32_t quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out)
{
    const __m128i s = _mm_cvtsi32_si128(shift);
    const __m256i half = _mm256_set1_epi64x((int64_t)1 << (shift - 1)), r = _mm256_set1_epi32(reciprocal);
    __m256i sum = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = load(x + i);
        __m256i even = round_shift_64(_mm256_mul_epi32(v, r), half, s);
        __m256i odd = round_shift_64(_mm256_mul_epi32(odd_lanes(v), r), half, s);
        __m256i q = merge(even, odd);
        sum = _mm256_add_epi32(sum, q);
        store_bytes(out + i, q);
    }
    return sum_lanes(sum) + portable_quantise(x + i, n - i, reciprocal, shift, out + i);
}

/* An overflow shows where the sum has another sign than both parts. */
AVX2 static void add(int32_t *x, const int32_t *y, int n)
{
    const __m256i limit = _mm256_set1_epi32(INT32_LIMIT), least = _mm256_set1_epi32(-INT32_LIMIT);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i a = load(x + i), b = load(y + i), sum = _mm256_add_epi32(a, b);
        __m256i over = _mm256_and_si256(_mm256_xor_si256(a, sum), _mm256_xor_si256(b, sum));
        __m256i edge = _mm256_xor_si256(_mm256_srai_epi32(a, 31), limit);
        sum = _mm256_blendv_epi8(sum, edge, _mm256_srai_epi32(over, 31));
        store(x + i, _mm256_max_epi32(sum, least));
    }
    portable_add(x + i, y + i, n - i);
}

AVX2 static void rotate(int32_t *x, const int32_t *turn, int n)
{
    const __m256i half = _mm256_set1_epi64x(1 << 29);
    const __m128i s = _mm_cvtsi32_si128(30);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i a = load(x + i), b = odd_lanes(a), cosine = load(turn + i), sine = odd_lanes(cosine);
        __m256i even = _mm256_sub_epi64(_mm256_mul_epi32(a, cosine), _mm256_mul_epi32(b, sine));
        __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(a, sine), _mm256_mul_epi32(b, cosine));
        store(x + i, merge(saturate_64(round_shift_64(even, half, s)), saturate_64(round_shift_64(odd, half, s))));
    }
    portable_rotate(x + i, turn + i, n - i);
}

AVX2_INLINE __m256i sigmoid_16(__m256i x)
{
    __m256i a = _mm256_min_epu32(_mm256_abs_epi32(x), _mm256_set1_epi32((16 << 16) - 1));
    __m256i z = _mm256_srli_epi32(_mm256_madd_epi16(_mm256_srli_epi32(a, 5), low_half(LOG2E_Q14)), 10);
    __m256i share = exp2_fraction_16(_mm256_and_si256(z, _mm256_set1_epi32(32767)));
    __m256i v = _mm256_sub_epi16(_mm256_srlv_epi32(share, _mm256_srli_epi32(z, 15)), low_half(16384));
    __m256i r = horner(v, horner(v, low_half(RECIP_C6), RECIP_C5), RECIP_C4);
    r = horner(v, horner(v, horner(v, horner(v, r, RECIP_C3), RECIP_C2), RECIP_C1), RECIP_C0);
    return _mm256_blendv_epi8(r, _mm256_sub_epi32(low_half(32767), r), _mm256_srai_epi32(x, 31));
}

/* gate * sigmoid * up for four lanes; the rounded silu fits 32 bits because sigmoid < 1. */
AVX2_INLINE __m256i silu_mul_64(__m256i gate, __m256i sigmoid, __m256i up)
{
    __m256i silu = round_shift_64(_mm256_mul_epi32(gate, sigmoid), _mm256_set1_epi64x(1 << 14), _mm_cvtsi32_si128(15));
    __m256i product = _mm256_mul_epi32(silu, up);
    return saturate_64(round_shift_64(product, _mm256_set1_epi64x(1 << 15), _mm_cvtsi32_si128(16)));
}

AVX2 static void silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i g = load(gate + i), u = load(up + i), s = sigmoid_16(g);
        __m256i even = silu_mul_64(g, s, u);
        __m256i odd = silu_mul_64(odd_lanes(g), odd_lanes(s), odd_lanes(u));
        store(out + i, merge(even, odd));
    }
    portable_silu_mul(gate + i, up + i, n - i, out + i);
}

/* One stage inside a vector: `other` holds each lane's partner, `second` marks the lanes that are subtracted. */
#define BUTTERFLY(V, OTHER, SECOND) _mm256_blend_epi32(_mm256_add_epi32(V, OTHER), _mm256_sub_epi32(OTHER, V), SECOND)

AVX2 static void hadamard(int32_t *x, int n, int log2)
{
    int whole = n & ~7;
    for (int i = 0; i < whole; i += 8) {
        __m256i v = load(x + i);
        if (log2 > 0)
            v = BUTTERFLY(v, _mm256_shuffle_epi32(v, 0xb1), 0xaa);
        if (log2 > 1)
            v = BUTTERFLY(v, _mm256_shuffle_epi32(v, 0x4e), 0xcc);
        if (log2 > 2)
            v = BUTTERFLY(v, _mm256_permute4x64_epi64(v, 0x4e), 0xf0);
        store(x + i, v);
    }
    for (int half = 8; half < 1 << log2; half *= 2)
        for (int i = 0; i < n; i += 2 * half)
            for (int j = i; j < i + half; j += 8) {
                __m256i a = load(x + j), b = load(x + j + half);
                store(x + j, _mm256_add_epi32(a, b));
                store(x + j + half, _mm256_sub_epi32(a, b));
            }
    portable_hadamard(x + whole, n - whole, log2);   /* only where a block is shorter than a vector */
}

const struct kernels kernels_avx2 = {
    .name = "avx2",
    .usable = usable,
    .gemm = avx2_gemm,
    .unpack = avx2_unpack,
    .requantise = requantise,
    .max_abs = max_abs,
    .sum_squares = sum_squares,
    .quantise = quantise,
    .add = add,
    .rotate = rotate,
    .silu_mul = silu_mul,
    .hadamard = hadamard,
    .scale_scores = avx2_scale_scores,
    .weigh = avx2_weigh,
    .combine = portable_combine,   /* AVX2 has no product of 64 bits, and this is a small share of a step */
};
#endif
