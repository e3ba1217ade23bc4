/* AVX-512 VNNI kernels, in the order of portable.c. Entries that are a small share of a step are those of AVX2.
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

AVX512_INLINE __m256i fold(__m512i v)
{
    return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

/* Adds up the sixteen lanes of each of four vectors. */
AVX512_INLINE __m128i sum4(const __m512i *v)
{
    __m256i ab = _mm256_hadd_epi32(fold(v[0]), fold(v[1])), cd = _mm256_hadd_epi32(fold(v[2]), fold(v[3]));
    __m256i s = _mm256_hadd_epi32(ab, cd);
    return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

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
    __m128i excess = _mm_slli_epi32(_mm_loadu_si128((const __m128i *)row_sums), 7);
    for (int t = 0; t < tokens; t++)
        _mm_storeu_si128((__m128i *)(out + (int64_t)t * rows), _mm_sub_epi32(sum4(acc[t]), excess));
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

AVX512_INLINE __m512i load_i16(const int8_t *p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p)); }

AVX512 static void dots(const int8_t *q, const int8_t *k, int positions, int stride, int32_t *out)
{
    int j = 0;
    for (; j + 4 <= positions; j += 4) {
        __m512i acc[4];
        for (int r = 0; r < 4; r++)
            acc[r] = _mm512_setzero_si512();
        for (int d = 0; d < stride; d += 32)
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++)
                acc[r] = _mm512_dpwssd_epi32(acc[r], load_i16(q + d), load_i16(k + (int64_t)(j + r) * stride + d));
        _mm_storeu_si128((__m128i *)(out + j), sum4(acc));
    }
    kernels_portable.dots(q, k + (int64_t)j * stride, positions - j, stride, out + j);
}

/* 32 columns of two positions at a time: bytes interleaved, widened, multiplied by the pair of weights. Interleaving
 * works inside 128-bit lanes: `low` holds columns 0-7 and 16-23, `high` the others. */
AVX512 static void weighted_sum(const int16_t *weights, const int8_t *v, int positions, int stride, int64_t *out)
{
    for (int d = 0; d < stride; d++)
        out[d] = 0;
    for (int d = 0; d < stride; d += 32) {
        for (int begin = 0; begin < positions; begin += WEIGHTED_SUM_BLOCK) {
            int end = begin + WEIGHTED_SUM_BLOCK < positions ? begin + WEIGHTED_SUM_BLOCK : positions;
            __m512i low = _mm512_setzero_si512(), high = low;
            for (int j = begin; j < end; j += 2) {
                const int8_t *row = v + (int64_t)j * stride + d;
                int pair = j + 1 < end;
                __m256i a = _mm256_loadu_si256((const __m256i *)row), b = _mm256_setzero_si256();
                if (pair)
                    b = _mm256_loadu_si256((const __m256i *)(row + stride));
                uint32_t w = (uint16_t)weights[j] | (pair ? (uint32_t)(uint16_t)weights[j + 1] << 16 : 0);
                __m512i both = _mm512_set1_epi32((int32_t)w);
                low = _mm512_dpwssd_epi32(low, _mm512_cvtepi8_epi16(_mm256_unpacklo_epi8(a, b)), both);
                high = _mm512_dpwssd_epi32(high, _mm512_cvtepi8_epi16(_mm256_unpackhi_epi8(a, b)), both);
            }
            int32_t sums[2][16];
            _mm512_storeu_si512(sums[0], low);
            _mm512_storeu_si512(sums[1], high);
            for (int i = 0; i < 32; i++)
                out[d + i] += sums[i >> 3 & 1][(i & 7) + (i >> 4) * 8];
        }
    }
}

const struct kernels kernels_avx512vnni = {
    .name = "avx512vnni",
    .usable = usable,
    .gemm = gemm,
    .requantise = avx2_requantise,
    .max_abs = avx2_max_abs,
    .quantise = avx2_quantise,
    .dots = dots,
    .weighted_sum = weighted_sum,
    .scale_scores = avx2_scale_scores,
    .exp_shares = avx2_exp_shares,
    .round_weights = avx2_round_weights,
    .silu_mul = avx2_silu_mul,
};
#endif
