/* What the set with tiles takes from the set without. */
#ifndef RAIL_AVX512VNNI_H
#define RAIL_AVX512VNNI_H

#include "kernels.h"

int avx512vnni_usable(void);
void avx512vnni_gemm(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                     int32_t *out, int64_t out_stride);
/* The same added to what is there, without the excess. */
void avx512vnni_gemm_more(const uint8_t *w, int64_t block_bytes, int blocks, int depth, struct vectors x, int tokens,
                          int32_t *out, int64_t out_stride);
void avx512vnni_gemm4(const struct packed4 *w, int blocks, int depth, struct vectors x, int tokens, int32_t *out,
                      int64_t out_stride);

#endif
