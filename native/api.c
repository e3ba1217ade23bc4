/* Single kernels and the list of sets, for Python. */

#include "kernels.h"
#include "native.h"

int32_t rail_kernels_count(void)
{
    int32_t n = 0;
    while (kernels_at(n))
        n++;
    return n;
}

const char *rail_kernels_name(int32_t index) { return kernels_at(index)->name; }
int32_t rail_kernels_usable(int32_t index) { return kernels_at(index)->usable() != 0; }

void rail_kernel_gemm(int32_t kernels, const int8_t *w, const int32_t *row_sums, const int8_t *x, int32_t rows,
                      int32_t tokens, int32_t stride, int32_t *out)
{
    kernels_at(kernels)->gemm(w, row_sums, x, rows, tokens, stride, out);
}

void rail_kernel_requantise(int32_t kernels, const int32_t *acc, const uint16_t *scales, int32_t mantissa,
                            int32_t shift, int32_t count, int32_t *out)
{
    kernels_at(kernels)->requantise(acc, scales, mantissa, shift, count, out);
}

uint32_t rail_kernel_max_abs(int32_t kernels, const int32_t *x, int32_t count)
{
    return kernels_at(kernels)->max_abs(x, count);
}

void rail_kernel_quantise(int32_t kernels, const int32_t *x, int32_t count, int32_t reciprocal, int32_t shift,
                          int8_t *out)
{
    kernels_at(kernels)->quantise(x, count, reciprocal, shift, out);
}

void rail_kernel_dots(int32_t kernels, const int8_t *q, const int8_t *k, int32_t positions, int32_t stride,
                      int32_t *out)
{
    kernels_at(kernels)->dots(q, k, positions, stride, out);
}

void rail_kernel_weighted_sum(int32_t kernels, const int16_t *weights, const int8_t *v, int32_t positions,
                              int32_t stride, int64_t *out)
{
    kernels_at(kernels)->weighted_sum(weights, v, positions, stride, out);
}

int32_t rail_kernel_scale_scores(int32_t kernels, int32_t *scores, const int32_t *keys, int32_t mantissa,
                                 int32_t exponent, int32_t count)
{
    return kernels_at(kernels)->scale_scores(scores, (const struct scale *)keys, (struct scale){mantissa, exponent},
                                             count);
}

void rail_kernel_exp_shares(int32_t kernels, int32_t *scores, int32_t max, const int32_t *value_max, int32_t count,
                            uint64_t *total, uint64_t *peak)
{
    kernels_at(kernels)->exp_shares(scores, max, value_max, count, total, peak);
}

void rail_kernel_round_weights(int32_t kernels, const int32_t *shares, const int32_t *value_max, int32_t count,
                               int32_t drop, int16_t *weights)
{
    kernels_at(kernels)->round_weights(shares, value_max, count, drop, weights);
}

void rail_kernel_silu_mul(int32_t kernels, const int32_t *gate, const int32_t *up, int32_t count, int32_t *out)
{
    kernels_at(kernels)->silu_mul(gate, up, count, out);
}
