/* Looking keys up among sorted ones. */
#ifndef RAIL_SORTED_H
#define RAIL_SORTED_H

#include <stdint.h>

/* The place of a key; -1 if it is none of them. */
static inline int64_t place_among(const int64_t *sorted, int64_t count, int64_t key)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (sorted[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && sorted[low] == key ? low : -1;
}

#endif
