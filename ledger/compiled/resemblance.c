/* What a record shares with a window of a text: ledger/index/SPEC.md section 6. Places are those of terms among the
 * window's, -1 where a term is none of them. */
#include "matching.h"
#include "sorted.h"

void rail_places(const uint32_t *known, int64_t known_count, const uint32_t *terms, int64_t count, int32_t *places)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t low = 0, high = known_count;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (known[middle] < terms[i])
                low = middle + 1;
            else
                high = middle;
        }
        places[i] = low < known_count && known[low] == terms[i] ? (int32_t)low : -1;
    }
}

int64_t rail_region(const int32_t *places, int64_t count, int64_t size, const int32_t *weights, int32_t *inside)
{
    int64_t best = 0, total = 0, start = 0;
    for (int64_t i = 0; i < count; i++) {
        int32_t place = places[i], left = i >= size ? places[i - size] : -1;
        if (place >= 0 && inside[place]++ == 0)
            total += weights[place];
        if (left >= 0 && --inside[left] == 0)
            total -= weights[left];
        if (total > best) {
            best = total;
            start = i >= size ? i - size + 1 : 0;
        }
    }
    return start;
}

int64_t rail_terms_weight(const int32_t *places, int64_t count, const int32_t *weights, uint8_t *seen)
{
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++) {
        if (places[i] >= 0 && !seen[places[i]]) {
            seen[places[i]] = 1;
            total += weights[places[i]];
        }
    }
    return total;
}

/* The weight of one pair, if it is known and was not seen. */
static int64_t pair_weight(int64_t pair, const int64_t *pairs, int64_t pair_count, const int32_t *weights,
                           uint8_t *seen)
{
    int64_t place = place_among(pairs, pair_count, pair);
    if (place < 0 || seen[place])
        return 0;
    seen[place] = 1;
    return weights[place];
}

int64_t rail_pairs_weight(const int32_t *places, int64_t count, int64_t near, const int64_t *pairs, int64_t pair_count,
                          const int32_t *weights, uint8_t *seen)
{
    int64_t total = 0;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t j = i + 1; places[i] >= 0 && j < count && j <= i + near; j++) {
            int64_t one = places[i], other = places[j];
            if (other >= 0 && one != other) {
                int64_t pair = one < other ? one << 32 | other : other << 32 | one;
                total += pair_weight(pair, pairs, pair_count, weights, seen);
            }
        }
    }
    return total;
}
