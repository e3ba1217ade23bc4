/* The weight of a token from its distance to the best one (inference/SPEC.md section 6, step 3). */
#ifndef RAIL_WEIGHT_CURVE_H
#define RAIL_WEIGHT_CURVE_H

#include <stdint.h>

/* 2^-((j + 1/2) / 8) in Q30. */
#define EIGHTHS {1028218693, 942880699, 864625413, 792865000, 727060411, 666717336, 611382493, 560640218}

/* 2^(-r / 2^19) - 1 in Q34 is close to EIGHTH_C1 r + EIGHTH_C2 floor(r^2 / 2^16) for -2^15 <= r < 2^15; with the two
 * floors of weight_of, a weight's relative error is under 6e-6. */
enum { EIGHTH_C1 = -22719, EIGHTH_C2 = 984 };

/* Distances in Q16 times log2(e) / temperature are exponents in Q19: floor(distance * 2^shift * multiplier / 2^32). */
struct curve {
    int32_t max;            /* the best logit */
    int32_t shift;          /* 0..24 */
    uint32_t multiplier;
    uint32_t far;           /* the largest distance of weight 1 or more; far * 2^shift < 2^32 */
};

/* log2(e) in Q35, rounded. */
#define LOG2E_Q35 UINT64_C(49570624150)
#define MICRO INT64_C(1000000)

/* An exponent of 30 is out: weights are above 2^29 before the shift, so they are at least 1 exactly where they are in. */
#define EXPONENT_END 30

/* 1 <= temperature_micro <= 10^8: the rate has 29 to 56 bits. */
static inline struct curve curve_of(int32_t max, int64_t temperature_micro)
{
    uint64_t t = (uint64_t)temperature_micro, rate = (LOG2E_Q35 * (uint64_t)MICRO + t / 2) / t;
    int shift = 0;
    while (rate >> shift >> 32)
        shift++;
    struct curve c = {max, shift, (uint32_t)(rate >> shift), 0};
    c.far = (uint32_t)((((uint64_t)EXPONENT_END << 51) - 1) / ((uint64_t)c.multiplier << shift));
    return c;
}

/* 1 to 2^30 for max - far <= logit <= max, and never rising with the distance; any number elsewhere. |EIGHTH_C1 r + EIGHTH_C2 q| < 2^30; its top
 * bits are below 2^15, as is the eighth shifted by 15, so all products fit 31 bits. */
static inline uint32_t weight_of(const struct curve *c, int32_t logit)
{
    static const int32_t eighths[8] = EIGHTHS;
    uint32_t distance = (uint32_t)c->max - (uint32_t)logit;
    uint32_t z = (uint32_t)(((uint64_t)(distance << c->shift) * c->multiplier) >> 32);
    int32_t r = (int32_t)(z & 65535) - 32768, change = (EIGHTH_C1 * r + EIGHTH_C2 * (r * r >> 16)) >> 15;
    int32_t eighth = eighths[z >> 16 & 7];
    return (uint32_t)(eighth + ((eighth >> 15) * change >> 4)) >> (z >> 19 & 31);
}

/* The lowest logit of the curve whose weight is above `weight` (< 2^29: the best logit's own is); not below INT32_MIN. */
int32_t lowest_above(const struct curve *c, uint32_t weight);

#endif
