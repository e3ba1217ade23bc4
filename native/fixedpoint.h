/* Scalar fixed-point functions of the forward step and the sampler (inference/SPEC.md section 3). */
#ifndef RAIL_FIXEDPOINT_H
#define RAIL_FIXEDPOINT_H

#include "kernels.h"
#include "tables.h"

/* numerator / denominator, truncated to 15 bits. 0 <= numerator < 2^63, 0 < denominator < 2^63. */
struct scale scale_ratio(uint64_t numerator, uint64_t denominator);

/* floor(sqrt(v)). */
uint64_t isqrt(uint64_t v);

/* 2^(-x) in Q30 for x in Q16; linear between table points 1/256 apart, 0 from x = 31 on. Inline for the sampler's and
 * attention's inner loops. */
static inline int32_t exp2_neg_q30(uint32_t x_q16)
{
    if (x_q16 >= 31u << 16)
        return 0;
    int index = (x_q16 >> 8) & 255, fraction = x_q16 & 255;
    int32_t high = EXP2_Q30[index], step = high - EXP2_Q30[index + 1];   /* step < 2^22 */
    return (high - ((step * fraction) >> 8)) >> (x_q16 >> 16);
}

/* cos and sin in Q30 of an angle in 2^-64 turns; linear between table points 1/4096 turn apart. */
void sincos_q30(uint64_t turns, int32_t *cosine, int32_t *sine);

#endif
