#include "fixedpoint.h"
#include "tables.h"

struct scale scale_ratio(uint64_t numerator, uint64_t denominator)
{
    if (numerator == 0)
        return (struct scale){0, 0};
    int n_bits = bit_length(numerator), d_bits = bit_length(denominator);
    uint64_t n = numerator << (63 - n_bits);
    uint64_t d = d_bits > 40 ? denominator >> (d_bits - 40) : denominator << (40 - d_bits);
    uint64_t q = n / d;   /* in [2^22, 2^24] */
    int q_bits = bit_length(q);
    return (struct scale){(int32_t)(q >> (q_bits - 15)), 38 - q_bits + d_bits - n_bits};
}

/* Digit by digit, two bits a step. */
uint64_t isqrt(uint64_t v)
{
    uint64_t root = 0, bit = UINT64_C(1) << 62;
    while (bit > v)
        bit >>= 2;
    for (; bit; bit >>= 2) {
        if (v >= root + bit) {
            v -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

static int32_t sine_q30(uint64_t turns)
{
    int index = (int)(turns >> 52), fraction = (int)(turns >> 36) & 0xffff;
    int64_t low = SINE_Q30[index], step = SINE_Q30[index + 1] - low;
    return (int32_t)(low + ((step * fraction) >> 16));
}

void sincos_q30(uint64_t turns, int32_t *cosine, int32_t *sine)
{
    *sine = sine_q30(turns);
    *cosine = sine_q30(turns + (UINT64_C(1) << 62));
}
