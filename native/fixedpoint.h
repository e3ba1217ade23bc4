/* Scalar fixed-point functions of the forward step and the sampler (inference/SPEC.md section 3). */
#ifndef RAIL_FIXEDPOINT_H
#define RAIL_FIXEDPOINT_H

#include "kernels.h"

/* numerator / denominator, truncated to 15 bits. 0 <= numerator < 2^63, 0 < denominator < 2^63. */
struct scale scale_ratio(uint64_t numerator, uint64_t denominator);

/* floor(sqrt(v)). */
uint64_t isqrt(uint64_t v);

/* cos and sin in Q30 of an angle in 2^-64 turns; linear between table points 1/4096 turn apart. */
void sincos_q30(uint64_t turns, int32_t *cosine, int32_t *sine);

#endif
