/* Which kernel sets exist in this build, in order of rising preference. */

#include "kernels.h"

#include <stddef.h>

static const struct kernels *const SETS[] = {
    &kernels_portable,
#if defined(__x86_64__)
    &kernels_avx2,
    &kernels_avx512,
    &kernels_avx512vnni,
    &kernels_amx,
#elif defined(__aarch64__)
    &kernels_neon,
#endif
};

const struct kernels *kernels_at(int index)
{
    return index >= 0 && index < (int)(sizeof SETS / sizeof *SETS) ? SETS[index] : NULL;
}
