/* What matching does in C (ledger/index/SPEC.md): arrays in, arrays out, in the caller's memory.
 *
 * Texts are code points. Units of a text are columns: unit i is the code points starts[i] <= place < ends[i], weighs
 * totals[i + 1] - totals[i], and its UTF-8 is joined[bounds[i]], ... joined[bounds[i + 1] - 2], with a space behind it.
 * A run of units i <= unit < ends[i] stands in ends, at i. No text has more than MATCHING_CHARS_MAX code points, so that
 * offsets and weights fit in 31 bits.
 */
#ifndef RAIL_MATCHING_H
#define RAIL_MATCHING_H

#include <stdint.h>

/* CDEF BEGIN: build.py hands everything up to CDEF END to cffi. */
#define MATCHING_CHARS_MAX 400000000

#define CHOSEN_MAX 64

/* Flags of a code point. A letter is of a script with spaces, so neither wide nor dense. */
#define UNIT_LETTER 1
#define UNIT_MARK 2
#define UNIT_WIDE 4
#define UNIT_DENSE 8

#define FOLD_LONG_WAY 0xffffffff
#define FOLD_EXPANDS 0x80000000

/* Replaces each code point by what the table has for it: one code point, or FOLD_EXPANDS | number of code points << 24 |
 * where they begin in `expansions`; and shortens runs of spaces, hyphens and full stops. Returns how many there are; -1
 * if one has FOLD_LONG_WAY or is not in the table, or if they are more than `room`. */
int64_t rail_fold(const uint32_t *text, int64_t length, const uint32_t *table, int64_t size,
                  const uint32_t *expansions, int64_t room, uint32_t *out);

/* Cuts a text into units, up to `weight_max`; returns how many. `weights`, 5 at most, are those of a word, a wide and a
 * dense character. Fills columns of `length` + 1 numbers each, starts, ends, totals and bounds, and joined, with room
 * for 5 * `length`. The last of starts becomes 1 if more units follow, else 0. */
int64_t rail_units(const uint32_t *text, int64_t length, const uint8_t *classes, int64_t weight_max,
                   const int32_t *weights, int32_t *columns, uint8_t *joined);

/* For each unit that has this weight from it on, the end of the shortest run with it, and the BLAKE2b digest of `size`
 * bytes, 1 to 8, of its units with spaces between, as a big-endian number. Returns how many do. */
int64_t rail_runs(const uint8_t *joined, const int32_t *totals, const int32_t *bounds, int64_t units, int32_t weight,
                  int32_t size, const uint8_t *person, int32_t *ends, uint64_t *hashes);

/* Where each of the windows of at least this weight ends into which the first `count` units part; returns how many. */
int64_t rail_windows(const int32_t *totals, int64_t count, int32_t weight, int64_t *ends);

/* Which runs have the least hash of a window of neighbours, the last of equals; and for each of them four bits for each
 * of the two units before it and the two after it, the nearest first. Returns how many. */
int64_t rail_fingerprints(const uint8_t *joined, const int32_t *bounds, int64_t units, const int64_t *hashes,
                          const int32_t *ends, int64_t count, int64_t window, int32_t *chosen, uint16_t *edges);

/* Sets echoed[i] for each unit in a run whose hash is among the sorted `known`; returns the weight of these units. */
int32_t rail_echo(const int64_t *hashes, const int32_t *ends, int64_t count, const int64_t *known, int64_t known_count,
                  const int32_t *totals, uint8_t *echoed);

/* For each place, a term's number in `slots`: in how many texts the term was before the place's own text, given in how
 * many before the first; `counts` ends as what holds after the last. text_ends[i] is where text i ends. `last` has -1
 * for each number. */
void rail_count_earlier(const int32_t *slots, const int64_t *text_ends, int64_t texts, int64_t *counts, int64_t *last,
                        int64_t *earlier);

/* The `most`, up to CHOSEN_MAX, different terms of each window that weigh most, of equals the least: chosen[i] becomes
 * 1 at one place of each in its window. window_ends[i] is where window i ends. */
void rail_choose(const uint32_t *terms, const int32_t *weights, const int64_t *window_ends, int64_t windows,
                 int64_t most, uint8_t *chosen);

/* Entries of looked-up keys in blocks of an index, which are laid out as ledger/index/blocks.py says. Block i is
 * data[starts[i]] up to ends[i], is laid out by layouts[layout_of[i]] (the record that it counts from, and bytes of a
 * rest, a record and edges), and is searched for keys[i], whose number is key_of[i]. Of each key, entries count up to
 * the record of entry number `limit`: `found` has how many there were in blocks before, `last` the last one's record.
 * Returns how many are found. Room for all entries of all blocks in key_found, records and edges. */
int64_t rail_find_entries(const uint8_t *data, const int64_t *starts, const int64_t *ends, int64_t blocks,
                          const uint64_t *keys, const int64_t *key_of, const int64_t *layout_of,
                          const int64_t *layouts, int64_t limit,
                          int64_t *found, int64_t *last, int64_t *key_found, int64_t *records, uint16_t *edges);

/* The place of each term among the sorted `known`, -1 where it is none of them. */
void rail_places(const uint32_t *known, int64_t known_count, const uint32_t *terms, int64_t count, int32_t *places);

/* Where the stretch of `size` places begins whose different known terms weigh most; the first of equals. `inside` has 0
 * for each known term. */
int64_t rail_region(const int32_t *places, int64_t count, int64_t size, const int32_t *weights, int32_t *inside);

/* The weight of the different known terms. `seen` has 0 for each known term. */
int64_t rail_terms_weight(const int32_t *places, int64_t count, const int32_t *weights, uint8_t *seen);

/* The weight of the different known pairs of terms at most `near` places apart; a pair is its lesser place among the
 * known terms << 32 | the greater. `seen` has 0 for each pair. */
int64_t rail_pairs_weight(const int32_t *places, int64_t count, int64_t near, const int64_t *pairs, int64_t pair_count,
                          const int32_t *weights, uint8_t *seen);
/* CDEF END */

#endif
