/* Matrix products with AVX2: bytes are widened to 16 bits, where products and their pairs are exact (vpmaddubsw would
 * saturate). A block is four vectors of four rows; every row has two lanes, for columns 0-1 and 2-3 of each four. */

#include "kernels.h"

#if defined(__x86_64__)
#include "avx2.h"

enum { TOKENS = 3 };   /* of a tile of eight rows: twelve sums */

AVX2_INLINE __m256i widen(const uint8_t *w) { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)w)); }

/* Four values of x as 16 bits, for every row. */
AVX2_INLINE __m256i four(const int8_t *x)
{
    int32_t v;
    __builtin_memcpy(&v, x, sizeof v);
    return _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(v)));
}

/* Adds the two lanes of each row: eight rows in order. */
AVX2_INLINE __m256i join(__m256i low, __m256i high)
{
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

/* One block times `tokens` tokens from t on; 255 * 127 * 2 fits the 32 bits of a pair. */
AVX2_INLINE void tile(const int tokens, const uint8_t *w, int depth, struct vectors x, int t, int32_t *out,
                      int64_t out_stride)
{
    const int8_t *vector = x.data + t * x.stride;
    __m256i sum[TOKENS][4];
    for (int i = 0; i < tokens; i++)
        for (int r = 0; r < 4; r++)
            sum[i][r] = _mm256_setzero_si256();
    for (int k = 0; k < depth; k += 4) {
        _mm_prefetch((const char *)(w + 16 * k + fetch_ahead), _MM_HINT_T0);
        __m256i a[TOKENS];
#pragma GCC unroll 3
        for (int i = 0; i < tokens; i++)
            a[i] = four(vector + i * x.stride + k);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            __m256i row = widen(w + 16 * k + 16 * r);
#pragma GCC unroll 3
            for (int i = 0; i < tokens; i++)
                sum[i][r] = _mm256_add_epi32(sum[i][r], _mm256_madd_epi16(row, a[i]));
        }
    }
    for (int i = 0; i < tokens; i++) {
        __m256i excess = _mm256_set1_epi32(x.excess[t + i]);
        store(out + (t + i) * out_stride, _mm256_sub_epi32(join(sum[i][0], sum[i][1]), excess));
        store(out + (t + i) * out_stride + 8, _mm256_sub_epi32(join(sum[i][2], sum[i][3]), excess));
    }
}

AVX2 void avx2_gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                    int32_t *out, int64_t out_stride)
{
    for (int b = 0; b < blocks; b++, w += block_bytes, out += BLOCK_ROWS) {
        int t = 0;
        for (; t + 3 <= tokens; t += 3)
            tile(3, w, depth, x, t, out, out_stride);
        if (tokens - t == 2)
            tile(2, w, depth, x, t, out, out_stride);
        else if (tokens - t == 1)
            tile(1, w, depth, x, t, out, out_stride);
    }
}

AVX2 void avx2_unpack(const struct packed4 *w, int depth, uint8_t *out)
{
    const __m256i low_half = _mm256_set1_epi8(15);
    for (int s = 0; s < depth / 8; s++, out += 128) {
        const __m128i *low = (const __m128i *)(w->codebooks + 16 * w->codes[2 * s]);
        const __m128i *high = (const __m128i *)(w->codebooks + 16 * w->codes[2 * s + 1]);
        __m256i lows = _mm256_broadcastsi128_si256(_mm_loadu_si128(low));
        __m256i highs = _mm256_broadcastsi128_si256(_mm_loadu_si128(high));
        for (int i = 0; i < 64; i += 32) {
            __m256i both = load(w->halves + 64 * (int64_t)s + i);
            store(out + i, _mm256_shuffle_epi8(lows, _mm256_and_si256(both, low_half)));
            both = _mm256_and_si256(_mm256_srli_epi16(both, 4), low_half);
            store(out + 64 + i, _mm256_shuffle_epi8(highs, both));
        }
    }
}
#endif
