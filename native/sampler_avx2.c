/* AVX2 kernels of the sampler, in the order of sampler_portable.c. */

#include "sampler_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,popcnt")))
#define AVX2_INLINE static inline __attribute__((target("avx2,popcnt"), always_inline))

AVX2_INLINE __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
AVX2_INLINE void store(void *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }

AVX2_INLINE int32_t largest(__m256i v)
{
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1)));
}

AVX2 static int32_t maxima(const int32_t *x, int n, int32_t *lanes, int32_t *tops)
{
    int32_t all = INT32_MIN;
    int begin = 0;
    for (; begin + TILE <= n; begin += TILE, lanes += LANES) {
        __m256i low = load(x + begin), high = load(x + begin + 8);
        for (int i = LANES; i < TILE; i += LANES) {
            low = _mm256_max_epi32(low, load(x + begin + i));
            high = _mm256_max_epi32(high, load(x + begin + i + 8));
        }
        store(lanes, low);
        store(lanes + 8, high);
        *tops = largest(_mm256_max_epi32(low, high));
        all = *tops > all ? *tops : all;
        tops++;
    }
    int32_t rest = begin < n ? sampler_portable.maxima(x + begin, n - begin, lanes, tops) : all;
    return rest > all ? rest : all;
}

struct constants {
    __m256i max, multiplier, eighths;
    __m128i shift;
};

/* weight_of for 8 logits. Even and odd lanes are multiplied apart. Halves of a lane: the low one works on r, the high
 * one on floor(r^2 / 2^16). */
AVX2_INLINE __m256i weights_of(__m256i x, const struct constants *k)
{
    const __m256i twice = _mm256_set_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100, 0x0d0c0d0c, 0x09080908,
                                           0x05040504, 0x01000100);
    const __m256i low = _mm256_set1_epi32(EIGHTH_C2 * 65536 + (EIGHTH_C1 & 65535));
    __m256i d = _mm256_sll_epi32(_mm256_sub_epi32(k->max, x), k->shift);
    __m256i even = _mm256_mul_epu32(d, k->multiplier), odd = _mm256_mul_epu32(_mm256_srli_epi64(d, 32), k->multiplier);
    __m256i z = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    __m256i r = _mm256_xor_si256(_mm256_shuffle_epi8(z, twice), _mm256_set1_epi16((int16_t)0x8000));
    __m256i both = _mm256_blend_epi16(r, _mm256_mulhi_epi16(r, r), 0xaa);
    __m256i change = _mm256_srai_epi32(_mm256_madd_epi16(both, low), 15);
    __m256i eighth = _mm256_permutevar8x32_epi32(k->eighths, _mm256_srli_epi32(z, 16));
    __m256i more = _mm256_srai_epi32(_mm256_madd_epi16(_mm256_srli_epi32(eighth, 15), change), 4);
    return _mm256_srlv_epi32(_mm256_add_epi32(eighth, more), _mm256_srli_epi32(z, 19));
}

/* Eight weights in four 64-bit sums. */
AVX2_INLINE __m256i pairs(__m256i w)
{
    return _mm256_add_epi64(_mm256_and_si256(w, _mm256_set1_epi64x(0xffffffff)), _mm256_srli_epi64(w, 32));
}

AVX2_INLINE uint64_t sum4(__m256i v)
{
    uint64_t lane[4];
    store(lane, v);
    return lane[0] + lane[1] + lane[2] + lane[3];
}

AVX2 static uint64_t weigh(const int32_t *x, int n, const struct curve *c, int32_t floor, uint32_t *weights)
{
    static const int32_t eighths[8] = EIGHTHS;
    const __m256i least = _mm256_set1_epi32(floor);
    struct constants k = {_mm256_set1_epi32(c->max), _mm256_set1_epi32((int32_t)c->multiplier), load(eighths),
                          _mm_cvtsi32_si128(c->shift)};
    __m256i sum = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = load(x + i), w = _mm256_andnot_si256(_mm256_cmpgt_epi32(least, v), weights_of(v, &k));
        store(weights + i, w);
        sum = _mm256_add_epi64(sum, pairs(w));
    }
    return sum4(sum) + sampler_portable.weigh(x + i, n - i, c, floor, weights + i);
}

AVX2 static uint64_t keep(const int32_t *x, int n, const struct curve *c, int32_t floor, uint32_t *weights)
{
    const __m256i least = _mm256_set1_epi32(floor);
    __m256i sum = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i w = _mm256_andnot_si256(_mm256_cmpgt_epi32(least, load(x + i)), load(weights + i));
        store(weights + i, w);
        sum = _mm256_add_epi64(sum, pairs(w));
    }
    return sum4(sum) + sampler_portable.keep(x + i, n - i, c, floor, weights + i);
}

AVX2 static uint64_t above(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int *count)
{
    const __m256i least = _mm256_set1_epi32(floor);
    __m256i sum = _mm256_setzero_si256(), below = sum;
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i out = _mm256_cmpgt_epi32(least, load(x + i));
        below = _mm256_sub_epi32(below, out);
        sum = _mm256_add_epi64(sum, pairs(_mm256_andnot_si256(out, load(weights + i))));
    }
    uint64_t total = sum4(sum) + sampler_portable.above(x + i, weights + i, n - i, floor, count);
    *count += i - (int)sum4(pairs(below));
    return total;
}

/* Moves the lanes of a 4-bit mask to the front. */
AVX2_INLINE __m128i front(__m128i v, int mask)
{
#define TAKE(a, b, c, d) {0x03020100 + 0x04040404 * (a), 0x03020100 + 0x04040404 * (b), 0x03020100 + 0x04040404 * (c), \
                          0x03020100 + 0x04040404 * (d)}
    static const uint32_t take[16][4] = {
        TAKE(0, 0, 0, 0), TAKE(0, 0, 0, 0), TAKE(1, 0, 0, 0), TAKE(0, 1, 0, 0), TAKE(2, 0, 0, 0), TAKE(0, 2, 0, 0),
        TAKE(1, 2, 0, 0), TAKE(0, 1, 2, 0), TAKE(3, 0, 0, 0), TAKE(0, 3, 0, 0), TAKE(1, 3, 0, 0), TAKE(0, 1, 3, 0),
        TAKE(2, 3, 0, 0), TAKE(0, 2, 3, 0), TAKE(1, 2, 3, 0), TAKE(0, 1, 2, 3),
    };
    return _mm_shuffle_epi8(v, _mm_loadu_si128((const __m128i *)take[mask]));
}

AVX2 static int collect(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int32_t top, int32_t *logits,
                        uint32_t *list_weights)
{
    const __m128i least = _mm_set1_epi32(floor), most = _mm_set1_epi32(top);
    int i = 0, count = 0;
    for (; i + 4 <= n; i += 4) {
        __m128i v = _mm_loadu_si128((const __m128i *)(x + i)), w = _mm_loadu_si128((const __m128i *)(weights + i));
        __m128i out = _mm_or_si128(_mm_cmpgt_epi32(least, v), _mm_cmpgt_epi32(v, most));
        int mask = (_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(out, out), out)) ^ 15) & 15;
        _mm_storeu_si128((__m128i *)(logits + count), front(v, mask));
        _mm_storeu_si128((__m128i *)(list_weights + count), front(w, mask));
        count += __builtin_popcount((unsigned)mask);
    }
    return count + sampler_portable.collect(x + i, weights + i, n - i, floor, top, logits + count,
                                            list_weights + count);
}

const struct sampler_kernels sampler_avx2 = {maxima, weigh, keep, above, collect};
#endif
