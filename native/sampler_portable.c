/* The meaning of the sampler's kernels in plain loops; and which kernel set uses which. */

#include "kernels.h"
#include "sampler_kernels.h"

#include <string.h>

static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

static int32_t maxima(const int32_t *x, int n, int32_t *lanes, int32_t *tops)
{
    int32_t max = INT32_MIN;
    for (int begin = 0; begin < n; begin += TILE, lanes += LANES, tops++) {
        *tops = INT32_MIN;
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = INT32_MIN;
        int row = begin, end = begin + TILE < n ? begin + TILE : n;
        for (; row + LANES <= end; row += LANES)
            for (int lane = 0; lane < LANES; lane++)
                lanes[lane] = larger(lanes[lane], x[row + lane]);
        for (int lane = 0; row + lane < end; lane++)
            lanes[lane] = larger(lanes[lane], x[row + lane]);
        for (int lane = 0; lane < LANES; lane++)
            *tops = larger(*tops, lanes[lane]);
        max = larger(max, *tops);
    }
    return max;
}

static uint64_t weigh(const int32_t *x, int n, const struct curve *c, int32_t floor, uint32_t *weights)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += weights[i] = weight_of(c, x[i]) & -(uint32_t)(x[i] >= floor);
    return sum;
}

static uint64_t keep(const int32_t *x, int n, const struct curve *c, int32_t floor, uint32_t *weights)
{
    (void)c;
    uint64_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += weights[i] &= -(uint32_t)(x[i] >= floor);
    return sum;
}

static uint64_t above(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int *count)
{
    uint64_t sum = 0;
    int found = 0;
    for (int i = 0; i < n; i++) {
        int in = x[i] >= floor;
        sum += weights[i] & -(uint32_t)in;
        found += in;
    }
    *count = found;
    return sum;
}

static int collect(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int32_t top, int32_t *logits,
                   uint32_t *list_weights)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        int in = x[i] >= floor && x[i] <= top;
        logits[count] = x[i];
        list_weights[count] = weights[i];
        count += in;
    }
    return count;
}

const struct sampler_kernels sampler_portable = {maxima, weigh, keep, above, collect};

const struct sampler_kernels *sampler_kernels_at(int kernels)
{
#if defined(__x86_64__)
    const char *name = kernels_at(kernels)->name;
    if (!strncmp(name, "avx512", 6) || !strcmp(name, "amx"))
        return &sampler_avx512;
    if (!strcmp(name, "avx2"))
        return &sampler_avx2;
#else
    (void)kernels;
#endif
    return &sampler_portable;
}
