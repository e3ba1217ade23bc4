/* Which kernel sets exist in this build, in order of rising preference. */

#include "kernels.h"

#include <stddef.h>

static const struct kernels *const SETS[] = {
    &kernels_portable,
#if defined(__x86_64__)
    &kernels_avx512vnni,
#elif defined(__aarch64__)
#ifdef LATER
    &kernels_neon,
#endif,
#endif
};

const struct kernels *kernels_at(int index)
{
    return index >= 0 && index < (int)(sizeof SETS / sizeof *SETS) ? SETS[index] : NULL;
}
