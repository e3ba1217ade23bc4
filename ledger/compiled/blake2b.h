/* BLAKE2b (RFC 7693) without a key, of short digests with a personalisation; four texts side by side. */
#ifndef RAIL_BLAKE2B_H
#define RAIL_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define BLAKE2B_PERSON_BYTES 16
#define BLAKE2B_LANES 4

/* The digests of `size` bytes, 1 to 8, of four texts, each read as a big-endian number. */
void rail_blake2b(const uint8_t *const texts[BLAKE2B_LANES], const size_t lengths[BLAKE2B_LANES], int size,
                  const uint8_t person[BLAKE2B_PERSON_BYTES], uint64_t digests[BLAKE2B_LANES]);

#endif
