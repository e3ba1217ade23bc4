/* Matrix products with vpdpbusd, which multiplies four unsigned by four signed bytes into 32 bits and wraps. Weights are
 * unsigned in memory, so a sum begins at minus the excess and needs no correction after. */

#include "kernels.h"

#if defined(__x86_64__)
#include "avx512.h"
#include "avx512vnni.h"

#include <string.h>

#ifdef RAIL_EMULATE
int avx512vnni_usable(void) { return 1; }
#else
int avx512vnni_usable(void) { return avx512_usable() && __builtin_cpu_supports("avx512vnni"); }
#endif

enum { TOKENS = 6, BLOCKS = 4 };   /* of a tile: 24 sums, 4 weights and a vector fit 32 registers */

/* Four bytes of x for every row of a block. */
AVX512_VNNI_INLINE __m512i four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* `blocks` blocks times `tokens` tokens from t on. With `more`, the sums go on from what is in `out`. */
AVX512_VNNI_INLINE void tile(const int blocks, const int tokens, const int more, const uint8_t *w, int64_t block_bytes,
                             int depth, struct vectors x, int t, int32_t *out, int64_t out_stride)
{
    const int8_t *vector = x.data + t * x.stride;
    __m512i sum[TOKENS][BLOCKS];
    out += t * out_stride;
#pragma GCC unroll 6
    for (int i = 0; i < tokens; i++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++)
            sum[i][b] = more ? load512(out + i * out_stride + 16 * b) : _mm512_set1_epi32(-x.excess[t + i]);
    for (int k = 0; k < depth; k += 4) {
        __m512i row[BLOCKS];
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++) {
            row[b] = load512(w + b * block_bytes + 16 * k);
            _mm_prefetch((const char *)(w + b * block_bytes + 16 * k + fetch_ahead / BLOCKS), _MM_HINT_T0);
        }
#pragma GCC unroll 6
        for (int i = 0; i < tokens; i++) {
            __m512i a = four(vector + i * x.stride + k);
#pragma GCC unroll 4
            for (int b = 0; b < blocks; b++)
                sum[i][b] = _mm512_dpbusd_epi32(sum[i][b], row[b], a);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < tokens; i++)
#pragma GCC unroll 4
        for (int b = 0; b < blocks; b++)
            store512(out + i * out_stride + 16 * b, sum[i][b]);
}

AVX512_VNNI_INLINE void tiles(const int blocks, const int more, const uint8_t *w, int64_t block_bytes, int depth,
                              struct vectors x, int tokens, int32_t *out, int64_t out_stride)
{
    int t = 0;
    for (; t + TOKENS <= tokens; t += TOKENS)
        tile(blocks, 6, more, w, block_bytes, depth, x, t, out, out_stride);
    switch (tokens - t) {
    case 5: tile(blocks, 5, more, w, block_bytes, depth, x, t, out, out_stride); break;
    case 4: tile(blocks, 4, more, w, block_bytes, depth, x, t, out, out_stride); break;
    case 3: tile(blocks, 3, more, w, block_bytes, depth, x, t, out, out_stride); break;
    case 2: tile(blocks, 2, more, w, block_bytes, depth, x, t, out, out_stride); break;
    case 1: tile(blocks, 1, more, w, block_bytes, depth, x, t, out, out_stride); break;
    }
}

AVX512_VNNI_INLINE void all_blocks(const int more, const uint8_t *w, int64_t block_bytes, int blocks, int depth,
                                   struct vectors x, int tokens, int32_t *out, int64_t out_stride)
{
    int b = 0;
    for (; b + 4 <= blocks; b += 4)
        tiles(4, more, w + b * block_bytes, block_bytes, depth, x, tokens, out + 16 * b, out_stride);
    if (b + 2 <= blocks) {
        tiles(2, more, w + b * block_bytes, block_bytes, depth, x, tokens, out + 16 * b, out_stride);
        b += 2;
    }
    if (b < blocks)
        tiles(1, more, w + b * block_bytes, block_bytes, depth, x, tokens, out + 16 * b, out_stride);
}

/* One block times one token, in the order of memory: four running sums, because one would wait for itself. */
AVX512_VNNI_INLINE void stream(const uint8_t *w, int depth, const int8_t *x, int32_t excess, int32_t *out)
{
    __m512i sum[4] = {_mm512_set1_epi32(-excess), _mm512_setzero_si512(), _mm512_setzero_si512(),
                      _mm512_setzero_si512()};
    int k = 0;
    for (; k + 16 <= depth; k += 16) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            _mm_prefetch((const char *)(w + 16 * k + 64 * i + fetch_ahead), _MM_HINT_T0);
            sum[i] = _mm512_dpbusd_epi32(sum[i], load512(w + 16 * k + 64 * i), four(x + k + 4 * i));
        }
    }
    for (; k < depth; k += 4)
        sum[0] = _mm512_dpbusd_epi32(sum[0], load512(w + 16 * k), four(x + k));
    store512(out, _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3])));
}

AVX512_VNNI void avx512vnni_gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x,
                                 int tokens, int32_t *out, int64_t out_stride)
{
    if (tokens > 1) {
        all_blocks(0, w, block_bytes, blocks, depth, x, tokens, out, out_stride);
        return;
    }
    for (int b = 0; b < blocks; b++)
        stream(w + b * block_bytes, depth, x.data, x.excess[0], out + 16 * b);
}

AVX512_VNNI void avx512vnni_gemm_more(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x,
                                      int tokens, int32_t *out, int64_t out_stride)
{
    all_blocks(1, w, block_bytes, blocks, depth, x, tokens, out, out_stride);
}

/* In each quarter of a register, so that one shuffle looks up 64 weights. */
AVX512_VNNI_INLINE __m512i codebook(const uint8_t *codebooks, unsigned code)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(codebooks + 16 * code)));
}

/* Eight columns of a block: `low` and `high` come as the codebooks of four columns each and become their weights. */
AVX512_VNNI_INLINE void look_up(const uint8_t *halves, __m512i *low, __m512i *high)
{
    const __m512i low_half = _mm512_set1_epi8(15);
    _mm_prefetch((const char *)(halves + fetch_ahead), _MM_HINT_T0);
    __m512i both = load512(halves);
    *low = _mm512_shuffle_epi8(*low, _mm512_and_si512(both, low_half));
    *high = _mm512_shuffle_epi8(*high, _mm512_and_si512(_mm512_srli_epi16(both, 4), low_half));
}

/* One block of 4-bit weights times `tokens` tokens. Two sums a token, for the low and the high halves. */
AVX512_VNNI_INLINE void block4(const int tokens, const uint8_t *halves, const uint8_t *codes, const uint8_t *codebooks,
                               int depth, struct vectors x, int t, int32_t *out, int64_t out_stride)
{
    const int8_t *vector = x.data + t * x.stride;
    __m512i sum[8][2];
#pragma GCC unroll 8
    for (int i = 0; i < tokens; i++) {
        sum[i][0] = _mm512_set1_epi32(-x.excess[t + i]);
        sum[i][1] = _mm512_setzero_si512();
    }
    for (int k = 0; k < depth; k += 8) {
        __m512i low = codebook(codebooks, codes[k / 4]), high = codebook(codebooks, codes[k / 4 + 1]);
        look_up(halves + 8 * k, &low, &high);
#pragma GCC unroll 8
        for (int i = 0; i < tokens; i++) {
            sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], low, four(vector + i * x.stride + k));
            sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], high, four(vector + i * x.stride + k + 4));
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < tokens; i++)
        store512(out + (t + i) * out_stride, _mm512_add_epi32(sum[i][0], sum[i][1]));
}

/* Eight columns of a block of 4-bit weights times those of one token, added to two sums. */
AVX512_VNNI_INLINE void add_eight(__m512i *sum, const uint8_t *halves, const uint8_t *codebooks, unsigned codes,
                                  const int8_t *x)
{
    __m512i low = codebook(codebooks, codes & 255), high = codebook(codebooks, codes >> 8 & 255);
    look_up(halves, &low, &high);
    sum[0] = _mm512_dpbusd_epi32(sum[0], low, four(x));
    sum[1] = _mm512_dpbusd_epi32(sum[1], high, four(x + 4));
}

/* One block of 4-bit weights times one token, 16 columns at a time: four running sums, four codes in one load. */
AVX512_VNNI_INLINE void stream4(const uint8_t *halves, const uint8_t *codes, const uint8_t *codebooks, int depth,
                                const int8_t *x, int32_t excess, int32_t *out)
{
    __m512i sum[4] = {_mm512_set1_epi32(-excess), _mm512_setzero_si512(), _mm512_setzero_si512(),
                      _mm512_setzero_si512()};
    int k = 0;
    for (; k + 16 <= depth; k += 16) {
        uint32_t four_codes;
        memcpy(&four_codes, codes + k / 4, sizeof four_codes);
        add_eight(sum, halves + 8 * k, codebooks, four_codes, x + k);
        add_eight(sum + 2, halves + 8 * k + 64, codebooks, four_codes >> 16, x + k + 8);
    }
    if (k < depth)
        add_eight(sum, halves + 8 * k, codebooks, codes[k / 4] | (unsigned)codes[k / 4 + 1] << 8, x + k);
    store512(out, _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3])));
}

AVX512_VNNI void avx512vnni_gemm4(const struct packed4 *w, int blocks, int depth, struct vectors x, int tokens,
                                  int32_t *out, int64_t out_stride)
{
    for (int b = 0; b < blocks; b++) {
        const uint8_t *halves = w->halves + (int64_t)b * 8 * depth, *codes = w->codes + (int64_t)b * (depth / 4);
        int t = 0;
        for (; t + 8 <= tokens; t += 8)
            block4(8, halves, codes, w->codebooks, depth, x, t, out + 16 * b, out_stride);
        if (t + 4 <= tokens) {
            block4(4, halves, codes, w->codebooks, depth, x, t, out + 16 * b, out_stride);
            t += 4;
        }
        if (t + 2 <= tokens) {
            block4(2, halves, codes, w->codebooks, depth, x, t, out + 16 * b, out_stride);
            t += 2;
        }
        if (t < tokens)
            stream4(halves, codes, w->codebooks, depth, x.data + t * x.stride, x.excess[t],
                    out + 16 * b + t * out_stride);
    }
}

const struct kernels kernels_avx512vnni = {
    .name = "avx512vnni",
    .usable = avx512vnni_usable,
    .gemm = avx512vnni_gemm,
    .gemm4 = avx512vnni_gemm4,
    .unpack = avx512_unpack,
    .requantise = avx512_requantise,
    .max_abs = avx512_max_abs,
    .sum_squares = avx512_sum_squares,
    .quantise = avx512_quantise,
    .add = avx512_add,
    .rotate = avx512_rotate,
    .silu_mul = avx512_silu_mul,
    .hadamard = avx512_hadamard,
    .scale_scores = avx512_scale_scores,
    .weigh = avx512_weigh,
    .combine = avx512_combine,
};
#endif
