/* Matrix products with tiles (AMX): tdpbsud multiplies 16 vectors by 16 rows, 64 columns at a time. A tile of weights is
 * 16 groups of four columns, 1024 bytes in a row of a block. Everything else is that of AVX-512 VNNI. */

#include "kernels.h"

#if defined(__x86_64__)
#include "avx512.h"
#include "avx512vnni.h"

#include <string.h>

#ifdef RAIL_EMULATE
#include "amx_emulation.h"
#define AMX
static int usable(void) { return 1; }
#else
#include <cpuid.h>
#define AMX __attribute__((target(AVX512_SETS ",amx-tile,amx-int8")))
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>

/* Linux lends the tile registers to a process that asks for them (arch_prctl ARCH_REQ_XCOMP_PERM, XTILEDATA). */
static int permitted(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }
#else
static int permitted(void) { return 0; }
#endif

static int usable(void)
{
    unsigned a, b, c, d;
    return avx512vnni_usable() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1) && (d >> 25 & 1) &&
           permitted();
}
#endif

/* Tiles 0-3 are sums of 2 x 16 vectors and 2 blocks, 4 and 5 vectors, 6 and 7 weights. */
enum { TILE_TOKENS = 16, TILE_DEPTH = 64, FEW_TOKENS = 4, PIECE_DEPTH = 1024 };

/* Before tiles read what was just written at p: GCC's intrinsics do not say that they read memory, so it would leave
 * out the writing. */
static inline void settle(const void *p) { __asm__ volatile("" : : "r"(p) : "memory"); }

/* Shape of the tiles for `first` and `second` vectors, at most 16 each. */
AMX static void configure(int first, int second)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = 64;
        shape.rows[i] = 16;
    }
    shape.rows[0] = shape.rows[1] = shape.rows[4] = (uint8_t)first;
    shape.rows[2] = shape.rows[3] = shape.rows[5] = (uint8_t)second;
    settle(&shape);
    _tile_loadconfig(&shape);
}

/* Every sum begins at minus the excess of its vector. */
AMX static void begin(const int32_t *excess, int tokens, int32_t start[32][16])
{
    for (int t = 0; t < tokens; t++)
        store512(start[t], _mm512_set1_epi32(-excess[t]));
    settle(start);
}

/* Two blocks times 17 to 32 vectors, or with `one` block or `half` the vectors; depth a multiple of 64. */
static inline __attribute__((always_inline)) AMX void tile(const int one, const int half, const uint8_t *w,
                                                           int64_t block_bytes, int depth, const int8_t *x,
                                                           int64_t x_stride, const int32_t *from, int64_t from_stride,
                                                           int from_block, int32_t *to, int64_t to_stride)
{
    _tile_loadd(0, from, from_stride);
    if (!one)
        _tile_loadd(1, from + from_block, from_stride);
    if (!half)
        _tile_loadd(2, from + TILE_TOKENS * from_stride / 4, from_stride);
    if (!half && !one)
        _tile_loadd(3, from + TILE_TOKENS * from_stride / 4 + from_block, from_stride);
    for (int k = 0; k < depth; k += TILE_DEPTH) {
        _tile_loadd(4, x + k, x_stride);
        _tile_loadd(6, w + 16 * k, 64);
        _tile_dpbsud(0, 4, 6);
        if (!half) {
            _tile_loadd(5, x + TILE_TOKENS * x_stride + k, x_stride);
            _tile_dpbsud(2, 5, 6);
        }
        if (!one) {
            _tile_loadd(7, w + block_bytes + 16 * k, 64);
            _tile_dpbsud(1, 4, 7);
        }
        if (!half && !one)
            _tile_dpbsud(3, 5, 7);
    }
    _tile_stored(0, to, to_stride);
    if (!one)
        _tile_stored(1, to + 16, to_stride);
    if (!half)
        _tile_stored(2, to + TILE_TOKENS * to_stride / 4, to_stride);
    if (!half && !one)
        _tile_stored(3, to + TILE_TOKENS * to_stride / 4 + 16, to_stride);
}

/* All blocks times `tokens` vectors, at most 32, from t on. The depth is cut into pieces whose vectors stay in the
 * first-level cache while all blocks pass by. */
AMX static void tiles(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int t, int tokens,
                      int32_t *out, int64_t out_stride)
{
    _Alignas(64) int32_t start[32][16];
    begin(x.excess + t, tokens, start);
    out += t * out_stride;
    for (int k = 0; k < depth; k += PIECE_DEPTH) {
        int piece = depth - k < PIECE_DEPTH ? depth - k : PIECE_DEPTH;
        const int8_t *vectors = x.data + t * x.stride + k;
        for (int b = 0; b < blocks; b += 2) {
            const uint8_t *block = w + b * block_bytes + 16 * (int64_t)k;
            int32_t *to = out + 16 * b;
            const int32_t *from = k ? to : start[0];
            int64_t stride = 4 * out_stride, from_stride = k ? stride : 64;
            int next = k ? 16 : 0;
            if (b + 1 < blocks && tokens > TILE_TOKENS)
                tile(0, 0, block, block_bytes, piece, vectors, x.stride, from, from_stride, next, to, stride);
            else if (b + 1 < blocks)
                tile(0, 1, block, block_bytes, piece, vectors, x.stride, from, from_stride, next, to, stride);
            else if (tokens > TILE_TOKENS)
                tile(1, 0, block, block_bytes, piece, vectors, x.stride, from, from_stride, next, to, stride);
            else
                tile(1, 1, block, block_bytes, piece, vectors, x.stride, from, from_stride, next, to, stride);
        }
    }
}

AMX static void gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                     int32_t *out, int64_t out_stride)
{
    int whole = depth & ~(TILE_DEPTH - 1), t = 0;
    if (tokens <= FEW_TOKENS || !whole) {
        avx512vnni_gemm(w, block_bytes, blocks, depth, x, tokens, out, out_stride);
        return;
    }
    if (tokens >= 32)
        configure(16, 16);
    for (; t + 32 <= tokens; t += 32)
        tiles(w, block_bytes, blocks, whole, x, t, 32, out, out_stride);
    if (t < tokens) {
        int rest = tokens - t;
        configure(rest < 16 ? rest : 16, rest > 16 ? rest - 16 : 1);
        tiles(w, block_bytes, blocks, whole, x, t, rest, out, out_stride);
    }
    _tile_release();
    if (whole < depth) {
        x.data += whole;
        avx512vnni_gemm_more(w + 16 * (int64_t)whole, block_bytes, blocks, depth - whole, x, tokens, out, out_stride);
    }
}

const struct kernels kernels_amx = {
    .name = "amx",
    .usable = usable,
    .gemm = gemm,
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
