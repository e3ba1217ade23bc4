/* The loops of the sampler over the vocabulary, for each kernel set. Logits are any int32. */
#ifndef RAIL_SAMPLER_KERNELS_H
#define RAIL_SAMPLER_KERNELS_H

#include "weight_curve.h"

enum {
    LANES = 16,
    TILE = 256,       /* logits that are looked at, or passed over, together: 16 lanes of 16 */
    LIST_SLACK = 16,  /* entries past the end of a list that `collect` may overwrite */
};

typedef uint64_t weigh_kernel(const int32_t *x, int n, const struct curve *c, int32_t floor, uint32_t *weights);

struct sampler_kernels {
    /* lanes[16 * tile + lane] = the largest x[256 * tile + lane + 16 * i], INT32_MIN where there is none. Returns the
     * largest of all. n >= 1; `lanes` has room for whole tiles. */
    int32_t (*maxima)(const int32_t *x, int n, int32_t *lanes, int32_t *tops);

    /* weights[i] = weight_of(x[i]), 0 where x[i] < floor; returns their sum. floor >= max - far; weights are at most
     * 2^30, so the sum of 2^20 stays under 2^50. */
    weigh_kernel *weigh;

    /* Sets weights[i] to 0 where x[i] < floor; returns the sum of the others. `c` is not used. */
    weigh_kernel *keep;

    /* The sum of weights[i] where x[i] >= floor, and how many there are. */
    uint64_t (*above)(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int *count);

    /* Appends x[i] and weights[i] where floor <= x[i] <= top to two lists; returns how many. The lists may be the arrays
     * themselves; else they have room for LIST_SLACK more. */
    int (*collect)(const int32_t *x, const uint32_t *weights, int n, int32_t floor, int32_t top, int32_t *logits,
                   uint32_t *list_weights);
};

extern const struct sampler_kernels sampler_portable;
extern const struct sampler_kernels sampler_avx2;
extern const struct sampler_kernels sampler_avx512;

/* Those of a kernel set, by its index. */
const struct sampler_kernels *sampler_kernels_at(int kernels);

#endif
