/* Shingles and terms of a text's units, fingerprints, and what stands beside them: ledger/index/SPEC.md, 3 and 5. */
#include "blake2b.h"
#include "matching.h"
#include "sorted.h"

#include <string.h>

/* For each unit that has this weight from it on, the end of the shortest run with it; returns how many do. */
static int64_t reach(const int32_t *totals, int64_t units, int32_t weight, int32_t *ends)
{
    int64_t start = 0, end = 0;
    for (; start < units; start++) {
        while (end <= units && totals[end] - totals[start] < weight)
            end++;
        if (end > units)
            break;
        ends[start] = (int32_t)end;
    }
    return start;
}

int64_t rail_runs(const uint8_t *joined, const int32_t *totals, const int32_t *bounds, int64_t units, int32_t weight,
                  int32_t size, const uint8_t *person, int32_t *ends, uint64_t *hashes)
{
    int64_t count = reach(totals, units, weight, ends);
    for (int64_t i = 0; i < count; i += BLAKE2B_LANES) {
        const uint8_t *texts[BLAKE2B_LANES];
        size_t lengths[BLAKE2B_LANES];
        uint64_t digests[BLAKE2B_LANES];
        int64_t left = count - i < BLAKE2B_LANES ? count - i : BLAKE2B_LANES;
        for (int64_t lane = 0; lane < BLAKE2B_LANES; lane++) {
            int64_t run = lane < left ? i + lane : i; /* the first again where there are no more */
            texts[lane] = joined + bounds[run];
            lengths[lane] = (size_t)(bounds[ends[run]] - 1 - bounds[run]);
        }
        rail_blake2b(texts, lengths, size, person, digests);
        memcpy(hashes + i, digests, (size_t)left * sizeof *hashes);
    }
    return count;
}

int64_t rail_windows(const int32_t *totals, int64_t count, int32_t weight, int64_t *ends)
{
    int64_t windows = 0, start = 0;
    while (start < count) {
        int64_t end = start + 1;
        while (end < count && totals[end] - totals[start] < weight)
            end++;
        ends[windows++] = start = end;
    }
    return windows;
}

/* Which hashes are the least of a window of neighbours, the last of equals; returns how many. */
static int64_t winnow(const int64_t *hashes, int64_t count, int64_t window, int32_t *chosen)
{
    int64_t kept = 0, least = -1;
    if (window > count)
        window = count;
    for (int64_t end = window; end <= count && count; end++) {
        if (least >= end - window && hashes[end - 1] > hashes[least])
            continue;
        if (least >= end - window) {
            least = end - 1;
        } else {
            least = end - window;
            for (int64_t i = least + 1; i < end; i++)
                least = hashes[i] <= hashes[least] ? i : least;
        }
        chosen[kept++] = (int32_t)least;
    }
    return kept;
}

/* CRC-32 as in zlib, four bits at a time. */
static uint32_t crc32_of(const uint8_t *data, int32_t length)
{
    static const uint32_t TABLE[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
        0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
    };
    uint32_t crc = 0xffffffffu;
    for (int32_t i = 0; i < length; i++) {
        crc ^= data[i];
        crc = TABLE[crc & 15] ^ crc >> 4;
        crc = TABLE[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* The digit of a unit; 0 beside the text's ends. */
static uint16_t digit_of(const uint8_t *joined, const int32_t *bounds, int64_t units, int64_t unit)
{
    if (unit < 0 || unit >= units)
        return 0;
    return (uint16_t)(crc32_of(joined + bounds[unit], bounds[unit + 1] - 1 - bounds[unit]) % 15 + 1);
}

int64_t rail_fingerprints(const uint8_t *joined, const int32_t *bounds, int64_t units, const int64_t *hashes,
                          const int32_t *ends, int64_t count, int64_t window, int32_t *chosen, uint16_t *edges)
{
    static const int AWAY[4] = {-1, -2, 0, 1};
    int64_t kept = winnow(hashes, count, window, chosen);
    for (int64_t i = 0; i < kept; i++) {
        edges[i] = 0;
        for (int k = 0; k < 4; k++) {
            int64_t unit = (k < 2 ? chosen[i] : ends[chosen[i]]) + AWAY[k];
            edges[i] = (uint16_t)(edges[i] << 4 | digit_of(joined, bounds, units, unit));
        }
    }
    return kept;
}

int32_t rail_echo(const int64_t *hashes, const int32_t *ends, int64_t count, const int64_t *known, int64_t known_count,
                  const int32_t *totals, uint8_t *echoed)
{
    int32_t weight = 0;
    int64_t reached = 0;
    for (int64_t i = 0; i < count; i++) {
        if (place_among(known, known_count, hashes[i]) < 0)
            continue;
        for (int64_t unit = reached > i ? reached : i; unit < ends[i]; unit++) {
            echoed[unit] = 1;
            weight += totals[unit + 1] - totals[unit];
        }
        reached = ends[i];
    }
    return weight;
}
