/* Vectors to i8 by their own maximum (inference/SPEC.md section 3). */

#include "step.h"

#include <string.h>

/* x (q16) to i8 by its own maximum, which is returned: x = i8 * max / 127. Zero stays zero. */
uint32_t quantise(const rail_model *model, const int32_t *x, int n, int8_t *out)
{
    uint32_t max = model->kernels->max_abs(x, n);
    if (max == 0) {
        memset(out, 0, (size_t)n);
        return 0;
    }
    int bits = bit_length(max);
    int64_t reciprocal = (INT64_C(127) << (23 + bits)) / max;   /* in (127 * 2^23, 127 * 2^24] */
    model->kernels->quantise(x, n, (int32_t)reciprocal, 23 + bits, out);
    return max;
}

/* Scale of a vector in q16 quantised by `quantise`. */
struct scale plain_scale(uint32_t max)
{
    struct scale s = scale_ratio(max, 127);
    return (struct scale){s.mantissa, s.exponent + 16};
}
