/* Which codebook suits 64 weights best: for conversion. Integers only, so that every machine chooses the same. */

#include "kernels.h"
#include "native.h"

enum { WEIGHTS = 64, LEVELS = 16, BOOKS = 256, FAR = 4095 };

static inline int16_t lower(int16_t a, int16_t b) { return a < b ? a : b; }
static inline int16_t higher(int16_t a, int16_t b) { return a > b ? a : b; }

/* The plain loops, which the compiler turns into vectors of whatever set the caller names. Distances are cut at FAR, so
 * a sum of their squares stays under 64 * 2^24 = 2^30. */
static inline __attribute__((always_inline)) void choose(const int16_t *weights, int64_t count, const int16_t *levels,
                                                         uint8_t *codes)
{
    for (int64_t block = 0; block < count; block++, weights += WEIGHTS) {
        int32_t best = INT32_MAX;
        for (int book = 0; book < BOOKS; book++) {
            int16_t nearest[WEIGHTS];
            for (int i = 0; i < WEIGHTS; i++)
                nearest[i] = FAR;
            for (int l = 0; l < LEVELS; l++)
                for (int i = 0; i < WEIGHTS; i++) {
                    int16_t d = (int16_t)(weights[i] - levels[book * LEVELS + l]);
                    nearest[i] = lower(nearest[i], higher(d, (int16_t)-d));
                }
            int32_t sum = 0;
            for (int i = 0; i < WEIGHTS; i++)
                sum += nearest[i] * nearest[i];
            if (sum < best) {
                best = sum;
                codes[block] = (uint8_t)book;
            }
        }
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void choose_avx2(const int16_t *weights, int64_t count, const int16_t *levels,
                                                        uint8_t *codes)
{
    choose(weights, count, levels, codes);
}

/* Compilers prefer narrower vectors unless they are told. */
#ifdef __clang__
#define WIDE __attribute__((target("avx512f,avx512bw"), min_vector_width(512)))
#else
#define WIDE __attribute__((target("avx512f,avx512bw,prefer-vector-width=512")))
#endif
WIDE static void choose_avx512(const int16_t *weights, int64_t count, const int16_t *levels, uint8_t *codes)
{
    choose(weights, count, levels, codes);
}
#endif

void rail_choose_codes(const int16_t *weights, int64_t count, const int16_t *levels, uint8_t *codes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bw")) {
        choose_avx512(weights, count, levels, codes);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        choose_avx2(weights, count, levels, codes);
        return;
    }
#endif
    choose(weights, count, levels, codes);
}

void rail_nearest_levels(const int16_t *weights, int64_t count, const int16_t *levels, const uint8_t *codes,
                         uint8_t *indexes)
{
    for (int64_t block = 0; block < count; block++, weights += WEIGHTS, indexes += WEIGHTS) {
        const int16_t *book = levels + codes[block] * LEVELS;
        int16_t index[WEIGHTS] = {0};
        for (int l = 1; l < LEVELS; l++)
            for (int i = 0; i < WEIGHTS; i++)
                index[i] = (int16_t)(index[i] + ((int16_t)(2 * weights[i]) > (int16_t)(book[l - 1] + book[l])));
        for (int i = 0; i < WEIGHTS; i++)
            indexes[i] = (uint8_t)index[i];
    }
}
