/* How rare the terms of many texts are, and which are the rarest: ledger/index/SPEC.md section 5. */
#include "matching.h"

#include <string.h>

void rail_count_earlier(const int32_t *slots, const int64_t *text_ends, int64_t texts, int64_t *counts, int64_t *last,
                        int64_t *earlier)
{
    int64_t place = 0;
    for (int64_t text = 0; text < texts; text++) {
        for (; place < text_ends[text]; place++) {
            int32_t slot = slots[place];
            if (last[slot] != text) {
                last[slot] = text;
                counts[slot]++;
            }
            earlier[place] = counts[slot] - 1;
        }
    }
}

/* Whether the term at one place goes before the term at another. */
static int goes_before(const uint32_t *terms, const int32_t *weights, int64_t one, int64_t other)
{
    return weights[one] != weights[other] ? weights[one] > weights[other] : terms[one] < terms[other];
}

void rail_choose(const uint32_t *terms, const int32_t *weights, const int64_t *window_ends, int64_t windows,
                 int64_t most, uint8_t *chosen)
{
    int64_t place = 0;
    for (int64_t window = 0; window < windows; window++) {
        int64_t best[CHOSEN_MAX], count = 0; /* places, the first goes before all others */
        for (; place < window_ends[window]; place++) {
            int64_t after = count;
            while (after && goes_before(terms, weights, place, best[after - 1]))
                after--;
            if (after == most || (after && terms[best[after - 1]] == terms[place]))
                continue;
            count += count < most;
            memmove(best + after + 1, best + after, (size_t)(count - 1 - after) * sizeof *best);
            best[after] = place;
        }
        for (int64_t i = 0; i < count; i++)
            chosen[best[i]] = 1;
    }
}
