/* AVX-512 kernels of the sampler (F, BW, DQ, VL), in the order of sampler_portable.c. */

#include "sampler_kernels.h"

#if defined(__x86_64__)
#ifdef RAIL_EMULATE
#include "avx512_emulation.h"
#define AVX512
#define AVX512_INLINE static inline
#else
#include <immintrin.h>
#define AVX512 __attribute__((target("avx2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")))
#define AVX512_INLINE static inline __attribute__((target("avx2,popcnt,avx512f,avx512bw,avx512dq,avx512vl"), always_inline))
#endif

AVX512_INLINE int32_t largest(__m512i v)
{
    __m256i half = _mm256_max_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

AVX512 static int32_t maxima(const int32_t *x, int n, int32_t *lanes, int32_t *tops)
{
    int32_t all = INT32_MIN;
    int begin = 0;
    for (; begin + TILE <= n; begin += TILE, lanes += LANES) {
        __m512i max = _mm512_loadu_si512(x + begin);
        for (int i = LANES; i < TILE; i += LANES)
            max = _mm512_max_epi32(max, _mm512_loadu_si512(x + begin + i));
        _mm512_storeu_si512(lanes, max);
        *tops = largest(max);
        all = *tops > all ? *tops : all;
        tops++;
    }
    int32_t rest = begin < n ? sampler_portable.maxima(x + begin, n - begin, lanes, tops) : all;
    return rest > all ? rest : all;
}

struct constants {
    __m512i max, floor, multiplier, eighths;
    __m128i shift;
};

/* weight_of for 16 logits. Even and odd lanes are multiplied apart; vpermd takes the low four bits of its index, and the
 * table stands there twice. Halves of a lane: the low one works on r, the high one on floor(r^2 / 2^16). */
AVX512_INLINE __m512i weights_of(__m512i x, const struct constants *k)
{
    const __m512i twice = _mm512_set_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100, 0x0d0c0d0c, 0x09080908,
                                           0x05040504, 0x01000100, 0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100,
                                           0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100);
    const __m512i low = _mm512_set1_epi32(EIGHTH_C2 * 65536 + (EIGHTH_C1 & 65535));
    __m512i d = _mm512_sll_epi32(_mm512_sub_epi32(k->max, x), k->shift);
    __m512i even = _mm512_mul_epu32(d, k->multiplier);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(d, 32), k->multiplier);
    __m512i z = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
    __m512i r = _mm512_xor_si512(_mm512_shuffle_epi8(z, twice), _mm512_set1_epi16((int16_t)0x8000));
    __m512i both = _mm512_mask_blend_epi16(0xaaaaaaaa, r, _mm512_mulhi_epi16(r, r));
    __m512i change = _mm512_srai_epi32(_mm512_madd_epi16(both, low), 15);
    __m512i eighth = _mm512_permutexvar_epi32(_mm512_srli_epi32(z, 16), k->eighths);
    __m512i more = _mm512_srai_epi32(_mm512_madd_epi16(_mm512_srli_epi32(eighth, 15), change), 4);
    return _mm512_srlv_epi32(_mm512_add_epi32(eighth, more), _mm512_srli_epi32(z, 19));
}

/* Sixteen weights in eight 64-bit sums. */
AVX512_INLINE __m512i pairs(__m512i w)
{
    return _mm512_add_epi64(_mm512_and_si512(w, _mm512_set1_epi64(0xffffffff)), _mm512_srli_epi64(w, 32));
}

AVX512_INLINE uint64_t sum8(__m512i v)
{
    uint64_t lane[8], total = 0;
    _mm512_storeu_si512(lane, v);
    for (int j = 0; j < 8; j++)
        total += lane[j];
    return total;
}

AVX512 static uint64_t weigh(const int32_t *x, int n, const struct curve *c, int32_t floor, uint32_t *weights)
{
    static const int32_t eighths[8] = EIGHTHS;
    struct constants k = {
        _mm512_set1_epi32(c->max),
        _mm512_set1_epi32(floor),
        _mm512_set1_epi32((int32_t)c->multiplier),
        _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)eighths)),
        _mm_cvtsi32_si128(c->shift),
    };
    __m512i sum = _mm512_setzero_si512();
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m512i v = _mm512_loadu_si512(x + i);
        __mmask16 in = _mm512_cmpge_epi32_mask(v, k.floor);
        __m512i w = _mm512_maskz_mov_epi32(in, weights_of(v, &k));
        _mm512_storeu_si512(weights + i, w);
        sum = _mm512_add_epi64(sum, pairs(w));
    }
    return sum8(sum) + sampler_portable.weigh(x + i, n - i, c, floor, weights + i);
}

AVX512 static uint64_t keep(const int32_t *x, int n, const struct curve *c, int32_t floor, uint32_t *weights)
{
    const __m512i least = _mm512_set1_epi32(floor);
    __m512i sum = _mm512_setzero_si512();
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
        __mmask16 in = _mm512_cmpge_epi32_mask(_mm512_loadu_si512(x + i), least);
        __m512i w = _mm512_maskz_mov_epi32(in, _mm512_loadu_si512(weights + i));
        _mm512_storeu_si512(weights + i, w);
        sum = _mm512_add_epi64(sum, pairs(w));
    }
    return sum8(sum) + sampler_portable.keep(x + i, n - i, c, floor, weights + i);
}

AVX512 static uint64_t above(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int *count)
{
    const __m512i least = _mm512_set1_epi32(floor);
    __m512i sum = _mm512_setzero_si512();
    int i = 0, found = 0;
    for (; i + LANES <= n; i += LANES) {
        __mmask16 in = _mm512_cmpge_epi32_mask(_mm512_loadu_si512(x + i), least);
        found += __builtin_popcount(in);
        sum = _mm512_add_epi64(sum, pairs(_mm512_maskz_mov_epi32(in, _mm512_loadu_si512(weights + i))));
    }
    uint64_t total = sum8(sum) + sampler_portable.above(x + i, weights + i, n - i, floor, count);
    *count += found;
    return total;
}

AVX512 static int collect(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int32_t top,
                          int32_t *logits, uint32_t *list_weights)
{
    const __m512i least = _mm512_set1_epi32(floor), most = _mm512_set1_epi32(top);
    int i = 0, count = 0;
    for (; i + LANES <= n; i += LANES) {
        __m512i v = _mm512_loadu_si512(x + i), w = _mm512_loadu_si512(weights + i);
        __mmask16 in = _mm512_mask_cmple_epi32_mask(_mm512_cmpge_epi32_mask(v, least), v, most);
        _mm512_storeu_si512(logits + count, _mm512_maskz_compress_epi32(in, v));
        _mm512_storeu_si512(list_weights + count, _mm512_maskz_compress_epi32(in, w));
        count += __builtin_popcount(in);
    }
    return count + sampler_portable.collect(x + i, weights + i, n - i, floor, top, logits + count,
                                            list_weights + count);
}

const struct sampler_kernels sampler_avx512 = {maxima, weigh, keep, above, collect};
#endif
