/* Vectors to i8 by their own maximum (inference/SPEC.md section 3). */

#include "step.h"

#include <string.h>

uint32_t quantise(const rail_model *model, const int32_t *x, int n, int8_t *out, int32_t *sum)
{
    uint32_t max = model->kernels->max_abs(x, n);
    if (max == 0) {
        memset(out, 0, (size_t)n);
        *sum = 0;
        return 0;
    }
    int bits = bit_length(max);
    int64_t reciprocal = (INT64_C(127) << (23 + bits)) / max;   /* in (127 * 2^23, 127 * 2^24] */
    *sum = model->kernels->quantise(x, n, (int32_t)reciprocal, 23 + bits, out);
    return max;
}

struct scale plain_scale(uint32_t max)
{
    struct scale s = scale_ratio(max, 127);
    return (struct scale){s.mantissa, s.exponent + 16};
}

struct root root_of(const rail_model *model, const int32_t *x, int n, uint32_t max)
{
    int drop = bit_length(max) > 24 ? bit_length(max) - 24 : 0;
    uint64_t squares = model->kernels->sum_squares(x, n, drop);
    squares += ((uint64_t)n * (uint64_t)model->d.norm_eps_q48) >> (16 + 2 * drop);
    int up = (64 - bit_length(squares)) & ~1;
    return (struct root){isqrt(squares << up), drop - up / 2};   /* in [2^31, 2^32), unless x is zero */
}

struct scale norm_scale(uint32_t max, int n, struct root root)
{
    if (max == 0)
        return (struct scale){0, 0};
    struct scale s = scale_ratio(max * isqrt((uint64_t)n << 32), 127 * root.value);
    return (struct scale){s.mantissa, s.exponent + 16 + root.shift};
}

/* Quantises x into a row and pads it; the row's scale is left to the caller. */
static uint32_t fill_row(const rail_model *model, const int32_t *x, int n, const struct rows *rows, int to)
{
    int8_t *row = rows->data + to * rows->stride;
    int32_t sum;
    uint32_t max = quantise(model, x, n, row, &sum);
    memset(row + n, 0, (size_t)(round_up(n, 64) - n));
    rows->excess[to] = 128 * sum;
    return max;
}

void normalise_row(const rail_model *model, const int32_t *x, int n, const struct rows *rows, int to)
{
    uint32_t max = fill_row(model, x, n, rows, to);
    rows->scales[to] = norm_scale(max, n, root_of(model, x, n, max));
}

void quantise_row(const rail_model *model, const int32_t *x, int n, const struct rows *rows, int to)
{
    rows->scales[to] = plain_scale(fill_row(model, x, n, rows, to));
}

void rotate_row(const rail_model *model, int32_t *x, int n, const struct rows *rows, int to)
{
    int log2 = model->d.ffn_rotation, drop = 0;
    if (log2) {
        drop = bit_length(model->kernels->max_abs(x, n)) + log2 - 30;
        drop = drop > 0 ? drop : 0;
        for (int i = 0; drop && i < n; i++)
            x[i] = (int32_t)round_shift(x[i], drop);
        model->kernels->hadamard(x, n, log2);
    }
    quantise_row(model, x, n, rows, to);
    rows->scales[to].exponent -= drop;
}
