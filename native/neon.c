/* Matrix products with the dot product instruction of ARMv8.2 (sdot: four signed by four signed bytes into 32 bits). The
 * offset of the weights is taken off as they are loaded. The other kernels are plain loops, which compilers turn into
 * NEON by themselves. */

#include "kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>
#ifdef __linux__
#include <sys/auxv.h>
#endif

#ifdef __clang__
#define NEON __attribute__((target("dotprod")))
#define NEON_INLINE static inline __attribute__((target("dotprod"), always_inline))
#else
#define NEON __attribute__((target("arch=armv8.2-a+dotprod")))
#define NEON_INLINE static inline __attribute__((target("arch=armv8.2-a+dotprod"), always_inline))
#endif

static int usable(void)
{
#ifdef __linux__
    return (getauxval(AT_HWCAP) >> 20 & 1) != 0;   /* HWCAP_ASIMDDP */
#else
    return 1;   /* every 64-bit Apple processor in use has it */
#endif
}

enum { TOKENS = 4 };   /* of a tile: sixteen sums */

NEON_INLINE int8x16_t row(const uint8_t *w) { return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(w), vdupq_n_u8(0x80))); }

/* Four values of x for every row. */
NEON_INLINE int8x16_t four(const int8_t *x)
{
    int32_t v;
    memcpy(&v, x, sizeof v);
    return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

/* vdotq_s32, which older versions of clang do not declare for single functions. */
NEON_INLINE int32x4_t add_dot(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b));
    return sum;
}

/* One block times `tokens` tokens from t on. */
NEON_INLINE void tile(const int tokens, const uint8_t *w, int depth, struct vectors x, int t, int32_t *out,
                      int64_t out_stride)
{
    const int8_t *vector = x.data + t * x.stride;
    int32x4_t sum[TOKENS][4];
    for (int i = 0; i < tokens; i++)
        for (int r = 0; r < 4; r++)
            sum[i][r] = vdupq_n_s32(0);
    for (int k = 0; k < depth; k += 4) {
        int8x16_t rows[4] = {row(w + 16 * k), row(w + 16 * k + 16), row(w + 16 * k + 32), row(w + 16 * k + 48)};
        __builtin_prefetch(w + 16 * k + 1024);
        for (int i = 0; i < tokens; i++) {
            int8x16_t a = four(vector + i * x.stride + k);
            for (int r = 0; r < 4; r++)
                sum[i][r] = add_dot(sum[i][r], rows[r], a);
        }
    }
    for (int i = 0; i < tokens; i++)
        for (int r = 0; r < 4; r++)
            vst1q_s32(out + (t + i) * out_stride + 4 * r, sum[i][r]);
}

NEON static void gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                      int32_t *out, int64_t out_stride)
{
    for (int b = 0; b < blocks; b++, w += block_bytes, out += BLOCK_ROWS) {
        int t = 0;
        for (; t + TOKENS <= tokens; t += TOKENS)
            tile(TOKENS, w, depth, x, t, out, out_stride);
        for (; t < tokens; t++)
            tile(1, w, depth, x, t, out, out_stride);
    }
}

NEON static void unpack(const struct packed4 *w, int depth, uint8_t *out)
{
    for (int s = 0; s < depth / 8; s++, out += 128) {
        const uint8_t *halves = w->halves + 64 * (int64_t)s;
        uint8x16_t low = vld1q_u8(w->codebooks + 16 * w->codes[2 * s]);
        uint8x16_t high = vld1q_u8(w->codebooks + 16 * w->codes[2 * s + 1]);
        for (int i = 0; i < 64; i += 16) {
            uint8x16_t both = vld1q_u8(halves + i);
            vst1q_u8(out + i, vqtbl1q_u8(low, vandq_u8(both, vdupq_n_u8(15))));
            vst1q_u8(out + 64 + i, vqtbl1q_u8(high, vshrq_n_u8(both, 4)));
        }
    }
}

const struct kernels kernels_neon = {
    .name = "neon",
    .usable = usable,
    .gemm = gemm,
    .unpack = unpack,
    .requantise = portable_requantise,
    .max_abs = portable_max_abs,
    .sum_squares = portable_sum_squares,
    .quantise = portable_quantise,
    .add = portable_add,
    .rotate = portable_rotate,
    .silu_mul = portable_silu_mul,
    .hadamard = portable_hadamard,
    .scale_scores = portable_scale_scores,
    .weigh = portable_weigh,
    .combine = portable_combine,
};
#endif
