/* Vector helpers and kernels that the AVX-512 files share. The tests compile these files against an instruction emulator
 * (RAIL_EMULATE) where the CPU lacks a set. */
#ifndef RAIL_AVX512_H
#define RAIL_AVX512_H

#include "kernels.h"

#ifdef RAIL_EMULATE
#include "avx512_emulation.h"
#define AVX512
#define AVX512_VNNI
#define AVX512_INLINE static inline
#define AVX512_VNNI_INLINE static inline
#else
#include <immintrin.h>
#define AVX512_SETS "avx2,avx512f,avx512bw,avx512dq,avx512vl"
#define AVX512 __attribute__((target(AVX512_SETS)))
#define AVX512_VNNI __attribute__((target(AVX512_SETS ",avx512vnni")))
#define AVX512_INLINE static inline __attribute__((target(AVX512_SETS), always_inline))
#define AVX512_VNNI_INLINE static inline __attribute__((target(AVX512_SETS ",avx512vnni"), always_inline))
#endif

AVX512_INLINE __m512i load512(const void *p) { return _mm512_loadu_si512(p); }
AVX512_INLINE void store512(void *p, __m512i v) { _mm512_storeu_si512(p, v); }

/* The first n of sixteen lanes. */
AVX512_INLINE __mmask16 lanes(int n) { return (__mmask16)(n >= 16 ? 0xffff : (1 << n) - 1); }

int avx512_usable(void);
void avx512_unpack(const struct packed4 *w, int depth, uint8_t *out);
void avx512_requantise(const int32_t *acc, const uint16_t *scales, int32_t mantissa, int shift, int n, int32_t *out);
uint32_t avx512_max_abs(const int32_t *x, int n);
uint64_t avx512_sum_squares(const int32_t *x, int n, int drop);
int32_t avx512_quantise(const int32_t *x, int n, int32_t reciprocal, int shift, int8_t *out);
void avx512_add(int32_t *x, const int32_t *y, int n);
void avx512_rotate(int32_t *x, const int32_t *turn, int n);
void avx512_silu_mul(const int32_t *gate, const int32_t *up, int n, int32_t *out);
void avx512_hadamard(int32_t *x, int n, int log2);
void avx512_scale_scores(int32_t *scores, struct scale query, const struct positions *p, int n, struct softmax *found);
void avx512_weigh(const int32_t *scores, const struct positions *p, int n, int8_t *high, int8_t *low,
                  struct softmax *found);
void avx512_combine(const int64_t *sums, struct scale scale, int n, int32_t *out);

#endif
