/* The normal form of texts in which characters stand alone: ledger/index/SPEC.md section 1. */
#include "matching.h"

/* Whether a character shortens a run: a second space or hyphen, a fourth full stop, a space at the beginning. */
static int is_more(const uint32_t *out, int64_t count, uint32_t c)
{
    if (c == ' ')
        return !count || out[count - 1] == ' ';
    if (c == '-')
        return count && out[count - 1] == '-';
    return c == '.' && count >= 3 && out[count - 1] == '.' && out[count - 2] == '.' && out[count - 3] == '.';
}

int64_t rail_fold(const uint32_t *text, int64_t length, const uint32_t *table, int64_t size,
                  const uint32_t *expansions, int64_t room, uint32_t *out)
{
    int64_t count = 0;
    for (int64_t i = 0; i < length; i++) {
        uint32_t entry = text[i] < size ? table[text[i]] : FOLD_LONG_WAY;
        if (entry == FOLD_LONG_WAY)
            return -1;
        const uint32_t *folded = entry & FOLD_EXPANDS ? expansions + (entry & 0xffffff) : &entry;
        int64_t many = entry & FOLD_EXPANDS ? entry >> 24 & 0x7f : 1;
        if (many > room - count)
            return -1;
        for (int64_t k = 0; k < many; k++) {
            if (!is_more(out, count, folded[k]))
                out[count++] = folded[k];
        }
    }
    return count && out[count - 1] == ' ' ? count - 1 : count;
}
