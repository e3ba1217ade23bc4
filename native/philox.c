/* The random numbers of the sampler: Philox 4x32-10 (Salmon et al., SC 2011). */

#include "native.h"

/* Counter words: counter low, counter high, 0, 0. */
uint64_t rail_random(uint64_t seed, uint64_t counter)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c[0] * UINT32_C(0xD2511F53), b = (uint64_t)c[2] * UINT32_C(0xCD9E8D57);
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
        __builtin_memcpy(c, next, sizeof c);
        k0 += UINT32_C(0x9E3779B9);
        k1 += UINT32_C(0xBB67AE85);
    }
    return (uint64_t)c[1] << 32 | c[0];
}
