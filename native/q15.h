/* 2^-x and the logistic function in 15 bits (inference/SPEC.md section 3): products of int16 with one rounding, which
 * every instruction set has. The polynomials are minimax fits; the tests hold them to their errors. */
#ifndef RAIL_Q15_H
#define RAIL_Q15_H

#include <stdint.h>

/* 2^-f = EXP2_C0 + f (EXP2_C1 + f (...)), f in [0, 1): relative error under 1.1e-4. */
enum { EXP2_C0 = 32767, EXP2_C1 = -22709, EXP2_C2 = 7843, EXP2_C3 = -1739, EXP2_C4 = 222 };

/* 1 / (1.5 + v), v in [-1/2, 1/2): 16384 to 32767, absolute error under 4.3e-5. */
enum { RECIP_C0 = 21845, RECIP_C1 = -14568, RECIP_C2 = 9718, RECIP_C3 = -6372, RECIP_C4 = 4203, RECIP_C5 = -3560,
       RECIP_C6 = 2454 };

enum { LOG2E_Q14 = 23637 };   /* round(log2(e) * 2^14) */

/* floor(a b / 2^15 + 1/2); not for a = b = -32768. */
static inline int32_t mul_q15(int32_t a, int32_t b) { return (a * b + (1 << 14)) >> 15; }

/* 2^-f in Q15 for f in Q15, 0 <= f < 2^15: from 32767 down to 16384. */
static inline int32_t exp2_fraction(int32_t f)
{
    return EXP2_C0 + mul_q15(f, EXP2_C1 + mul_q15(f, EXP2_C2 + mul_q15(f, EXP2_C3 + mul_q15(f, EXP2_C4))));
}

/* 1 / (1 + e^-x) in Q15 for x in Q16, 0 to 32767. */
static inline int32_t sigmoid_q15(int32_t x)
{
    int32_t a = x < 0 ? -x : x;
    a = a > (16 << 16) - 1 ? (16 << 16) - 1 : a;
    int32_t z = ((a >> 5) * LOG2E_Q14) >> 10;                    /* |x| log2(e) in Q15; below 2^15 * 23.1 */
    int32_t v = (exp2_fraction(z & 32767) >> (z >> 15)) - 16384; /* e^-|x| - 1/2 */
    int32_t r = RECIP_C4 + mul_q15(v, RECIP_C5 + mul_q15(v, RECIP_C6));
    r = RECIP_C0 + mul_q15(v, RECIP_C1 + mul_q15(v, RECIP_C2 + mul_q15(v, RECIP_C3 + mul_q15(v, r))));
    return x < 0 ? 32767 - r : r;
}

#endif
