/* Cuts a normal form into units: ledger/index/SPEC.md section 2. */
#include "matching.h"

static int32_t put_utf8(uint8_t *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* The end of the word that begins at `place` with a letter: letters, marks after them, apostrophes between letters. */
static int64_t word_end(const uint32_t *text, int64_t length, const uint8_t *classes, int64_t place)
{
    while (place < length) {
        if (classes[text[place]] & (UNIT_LETTER | UNIT_MARK))
            place++;
        else if (text[place] == '\'' && place + 1 < length && classes[text[place + 1]] & UNIT_LETTER)
            place += 2;
        else
            break;
    }
    return place;
}

int64_t rail_units(const uint32_t *text, int64_t length, const uint8_t *classes, int64_t weight_max,
                   const int32_t *weights, int32_t *columns, uint8_t *joined)
{
    int32_t *starts = columns, *ends = starts + length + 1, *totals = ends + length + 1, *bounds = totals + length + 1;
    int64_t count = 0;
    int32_t total = 0, used = 0;
    starts[length] = 0;
    totals[0] = bounds[0] = 0;
    for (int64_t place = 0, end; place < length; place = end) {
        uint8_t class = classes[text[place]];
        int32_t weight;
        end = place + 1;
        if (class & UNIT_LETTER) {
            weight = weights[0];
            end = word_end(text, length, classes, place);
        } else if (class & (UNIT_WIDE | UNIT_DENSE)) {
            weight = weights[class & UNIT_WIDE ? 1 : 2];
            while (end < length && classes[text[end]] & UNIT_MARK)
                end++;
        } else {
            continue;
        }
        if (weight > weight_max - total) {
            starts[length] = 1;
            break;
        }
        starts[count] = (int32_t)place;
        ends[count] = (int32_t)end;
        for (int64_t i = place; i < end; i++)
            used += put_utf8(joined + used, text[i]);
        joined[used++] = ' ';
        total += weight;
        count++;
        totals[count] = total;
        bounds[count] = used;
    }
    return count;
}
