/* Deterministic CBOR (RFC 8949 section 4.2.1): the rules of ledger/cbor.py, as yes or no. */

#include "compiled.h"

#include <stdbool.h>
#include <string.h>

enum { UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP };

#define NULL_BYTE 0xf6

typedef struct {
    const uint8_t *at, *end;
} Cursor;

static bool read_value(Cursor *in, int depth);

/* Initial byte and argument, in the shortest form. */
static bool read_head(Cursor *in, int *major, uint64_t *argument)
{
    /* The least argument for which 1, 2, 4 and 8 more bytes are the shortest form. */
    static const uint64_t least[] = {24, UINT64_C(1) << 8, UINT64_C(1) << 16, UINT64_C(1) << 32};
    if (in->at == in->end)
        return false;
    uint8_t initial = *in->at++;
    unsigned info = initial & 31;
    *major = initial >> 5;
    *argument = info;
    if (*major > MAP || info > 27)
        return false;
    if (info < 24)
        return true;
    size_t width = (size_t)1 << (info - 24);
    if ((size_t)(in->end - in->at) < width)
        return false;
    *argument = 0;
    for (size_t i = 0; i < width; i++)
        *argument = *argument << 8 | *in->at++;
    return *argument >= least[info - 24];
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        uint8_t first = *at++;
        if (first < 0x80)
            continue;
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || end - at < more)
            return false;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (*at < low || *at > high)
            return false;
        for (at++; --more; at++)
            if ((*at & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* Byte strings and text. */
static bool read_string(Cursor *in, int major, uint64_t length)
{
    if ((uint64_t)(in->end - in->at) < length)
        return false;
    const uint8_t *start = in->at;
    in->at += length;
    return major == BYTES || is_utf8(start, in->at);
}

/* Keys strictly ascend in their encoded form, bytewise. */
static bool read_map(Cursor *in, uint64_t pairs, int depth)
{
    const uint8_t *previous = in->at;
    size_t previous_length = 0;
    for (uint64_t i = 0; i < pairs; i++) {
        const uint8_t *key = in->at;
        int major = key == in->end ? MAP : *key >> 5;
        if ((major != UINT && major != NEGATIVE && major != TEXT) || !read_value(in, 0))
            return false;
        size_t length = (size_t)(in->at - key), shorter = length < previous_length ? length : previous_length;
        int order = memcmp(previous, key, shorter);
        if (order > 0 || (order == 0 && length <= previous_length) || !read_value(in, depth))
            return false;
        previous = key;
        previous_length = length;
    }
    return true;
}

/* Every item takes a byte at least, so a count that the input does not hold ends with the input. */
static bool read_value(Cursor *in, int depth)
{
    int major;
    uint64_t argument;
    if (in->at < in->end && *in->at == NULL_BYTE) {
        in->at++;
        return true;
    }
    if (!read_head(in, &major, &argument))
        return false;
    if (major == UINT || major == NEGATIVE)
        return true;
    if (major == BYTES || major == TEXT)
        return read_string(in, major, argument);
    if (depth == 0)
        return false;
    if (major == MAP)
        return read_map(in, argument, depth - 1);
    for (uint64_t i = 0; i < argument; i++)
        if (!read_value(in, depth - 1))
            return false;
    return true;
}

int rail_cbor_valid(const uint8_t *data, size_t length, int depth)
{
    Cursor in = {data, data + length};
    return read_value(&in, depth) && in.at == in.end;
}
