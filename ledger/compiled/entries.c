/* Looks keys up in blocks of an index: ledger/index/blocks.py. */
#include "matching.h"

#include <string.h>

static uint64_t load_be(const uint8_t *bytes, int64_t size)
{
    uint64_t number = 0;
    for (int64_t i = 0; i < size; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The first of a block's sorted rests that is not less than the key's. */
static int64_t first_of(const uint8_t *rests, int64_t count, int64_t size, uint64_t rest)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (load_be(rests + middle * size, size) < rest)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t rail_find_entries(const uint8_t *data, const int64_t *starts, const int64_t *ends, int64_t blocks,
                          const uint64_t *keys, const int64_t *key_of, const int64_t *layout_of,
                          const int64_t *layouts, int64_t limit,
                          int64_t *found, int64_t *last, int64_t *key_found, int64_t *records, uint16_t *edges)
{
    int64_t total = 0;
    for (int64_t i = 0; i < blocks; i++) {
        const int64_t *layout = layouts + 4 * layout_of[i];
        int64_t first = layout[0], rest_bytes = layout[1], record_bytes = layout[2], edge_bytes = layout[3];
        int64_t count = (ends[i] - starts[i]) / (rest_bytes + record_bytes + edge_bytes);
        const uint8_t *rests = data + starts[i];
        const uint8_t *their_records = rests + count * rest_bytes;
        const uint8_t *their_edges = their_records + count * record_bytes;
        uint64_t rest = rest_bytes < 8 ? keys[i] & (((uint64_t)1 << 8 * rest_bytes) - 1) : keys[i];
        int64_t key = key_of[i];
        for (int64_t k = first_of(rests, count, rest_bytes, rest); k < count; k++) {
            if (load_be(rests + k * rest_bytes, rest_bytes) != rest)
                break;
            int64_t record = first + (int64_t)load_be(their_records + k * record_bytes, record_bytes);
            if (found[key] >= limit && record != last[key])
                break;
            found[key]++;
            last[key] = record;
            key_found[total] = key;
            records[total] = record;
            edges[total] = (uint16_t)load_be(their_edges + k * edge_bytes, edge_bytes);
            total++;
        }
    }
    return total;
}
