/* AVX-512 VNNI kernels, in the order of portable.c. Entries that gain nothing from 512 bits are those of AVX2.
 * The tests compile this file against an instruction emulator where the CPU lacks the set. */

#include "kernels.h"

#if defined(__x86_64__)
#ifdef RAIL_EMULATE_AVX512
#include <simde/x86/avx512.h>
#define AVX512
#define AVX512_INLINE static inline
static int usable(void) { return 1; }
#else
#include <immintrin.h>
#define AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define AVX512_INLINE static inline __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"), always_inline))
static int usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

/* Four rows times `tokens` (1 or 4). vpdpbusd wants one unsigned factor: x + 128, whose excess 128 * sum(w) the row
 * sums take away. The running sum stays under 255 * 127 * 65536 < 2^31, so nothing wraps on the way. */
AVX512_INLINE void gemm_tile(const int tokens, const int8_t *w, const int32_t *row_sums, const int8_t *x, int stride,
                             int rows, int32_t *out)
{
    const __m512i to_unsigned = _mm512_set1_epi8((char)0x80);
    __m512i acc[4][4];
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < 4; r++)
            acc[t][r] = _mm512_setzero_si512();
    for (int k = 0; k < stride; k += 64) {
        __m512i row[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            row[r] = _mm512_loadu_si512(w + (int64_t)r * stride + k);
#pragma GCC unroll 4
        for (int t = 0; t < tokens; t++) {
            __m512i a = _mm512_xor_si512(_mm512_loadu_si512(x + (int64_t)t * stride + k), to_unsigned);
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++)
                acc[t][r] = _mm512_dpbusd_epi32(acc[t][r], a, row[r]);
        }
    }
    for (int t = 0; t < tokens; t++)
        for (int r = 0; r < 4; r++)
            out[(int64_t)t * rows + r] = _mm512_reduce_add_epi32(acc[t][r]) - 128 * row_sums[r];
}

AVX512 static void gemm(const int8_t *w, const int32_t *row_sums, const int8_t *x, int rows, int tokens, int stride,
                        int32_t *out)
{
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
        int t = 0;
        for (; t + 4 <= tokens; t += 4)
            gemm_tile(4, w + (int64_t)r * stride, row_sums + r, x + (int64_t)t * stride, stride, rows,
                      out + (int64_t)t * rows + r);
        for (; t < tokens; t++)
            gemm_tile(1, w + (int64_t)r * stride, row_sums + r, x + (int64_t)t * stride, stride, rows,
                      out + (int64_t)t * rows + r);
    }
    for (; r < rows; r++)
        for (int t = 0; t < tokens; t++)
            kernels_portable.gemm(w + (int64_t)r * stride, row_sums + r, x + (int64_t)t * stride, 1, 1, stride,
                                  out + (int64_t)t * rows + r);
}

/* Eight 64-bit lanes, rounded, shifted and saturated to eight 32-bit lanes. The hardware saturation stops at -2^31,
 * ours at -(2^31-1). */
AVX512_INLINE __m256i narrow(__m512i v, __m512i half, __m128i s)
{
    __m256i x = _mm512_cvtsepi64_epi32(_mm512_sra_epi64(_mm512_add_epi64(v, half), s));
    return _mm256_max_epi32(x, _mm256_set1_epi32(-INT32_LIMIT));
}

AVX512_INLINE __m512i widen(const int32_t *p) { return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)p)); }

AVX512 static void requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n,
                              int32_t *out)
{
    const __m128i s = _mm_cvtsi32_si128(shift);
    const __m512i half = _mm512_set1_epi64((int64_t)1 << (shift - 1));
    const __m256i m = _mm256_set1_epi32(mantissa);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i f = _mm256_mullo_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(scales + i))), m);
        __m512i product = _mm512_mul_epi32(widen(acc + i), _mm512_cvtepi32_epi64(f));
        _mm256_storeu_si256((__m256i *)(out + i), narrow(product, half, s));
    }
    kernels_portable.requantise(acc + i, scales + i, mantissa, shift, n - i, out + i);
}

AVX512 static uint32_t max_abs(const int32_t *x, int n)
{
    __m512i max = _mm512_setzero_si512();
    int i = 0;
    for (; i + 16 <= n; i += 16)
        max = _mm512_max_epu32(max, _mm512_abs_epi32(_mm512_loadu_si512(x + i)));
    uint32_t lanes = _mm512_reduce_max_epu32(max), rest = kernels_portable.max_abs(x + i, n - i);
    return lanes > rest ? lanes : rest;
}

AVX512 static void quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out)
{
    const __m128i s = _mm_cvtsi32_si128(shift);
    const __m512i half = _mm512_set1_epi64((int64_t)1 << (shift - 1)), r = _mm512_set1_epi64(reciprocal);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m512i v = _mm512_sra_epi64(_mm512_add_epi64(_mm512_mul_epi32(widen(x + i), r), half), s);
        _mm_storel_epi64((__m128i *)(out + i), _mm512_cvtepi64_epi8(v));
    }
    kernels_portable.quantise(x + i, n - i, reciprocal, shift, out + i);
}

AVX512 static void dots(const int8_t *q, const int8_t *k, int positions, int stride, int32_t *out)
{
    for (int j = 0; j < positions; j++) {
        __m512i acc = _mm512_setzero_si512();
        for (int d = 0; d < stride; d += 32) {
            __m512i query = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(q + d)));
            __m512i key = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(k + (int64_t)j * stride + d)));
            acc = _mm512_add_epi32(acc, _mm512_madd_epi16(query, key));
        }
        out[j] = _mm512_reduce_add_epi32(acc);
    }
}

/* 32 columns at a time; the sums of one block of positions fit 32 bits (kernels.h). */
AVX512 static void weighted_sum(const int16_t *weights, const int8_t *v, int positions, int stride, int64_t *out)
{
    for (int d = 0; d < stride; d += 32) {
        __m512i total[4];
        for (int part = 0; part < 4; part++)
            total[part] = _mm512_setzero_si512();
        for (int begin = 0; begin < positions; begin += WEIGHTED_SUM_BLOCK) {
            int end = begin + WEIGHTED_SUM_BLOCK < positions ? begin + WEIGHTED_SUM_BLOCK : positions;
            __m512i low = _mm512_setzero_si512(), high = low;
            for (int j = begin; j < end; j++) {
                __m256i bytes = _mm256_loadu_si256((const __m256i *)(v + (int64_t)j * stride + d));
                __m512i w = _mm512_set1_epi32(weights[j]);
                __m512i first = _mm512_cvtepi8_epi32(_mm256_castsi256_si128(bytes));
                __m512i second = _mm512_cvtepi8_epi32(_mm256_extracti128_si256(bytes, 1));
                low = _mm512_add_epi32(low, _mm512_mullo_epi32(first, w));
                high = _mm512_add_epi32(high, _mm512_mullo_epi32(second, w));
            }
            total[0] = _mm512_add_epi64(total[0], _mm512_cvtepi32_epi64(_mm512_castsi512_si256(low)));
            total[1] = _mm512_add_epi64(total[1], _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(low, 1)));
            total[2] = _mm512_add_epi64(total[2], _mm512_cvtepi32_epi64(_mm512_castsi512_si256(high)));
            total[3] = _mm512_add_epi64(total[3], _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(high, 1)));
        }
        for (int part = 0; part < 4; part++)
            _mm512_storeu_si512(out + d + 8 * part, total[part]);
    }
}

static void silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out)
{
    kernels_avx2.silu_mul(gate, up, n, out);
}

const struct kernels kernels_avx512vnni = {
    .name = "avx512vnni",
    .usable = usable,
    .gemm = gemm,
    .requantise = requantise,
    .max_abs = max_abs,
    .quantise = quantise,
    .dots = dots,
    .weighted_sum = weighted_sum,
    .silu_mul = silu_mul,
};
#endif
