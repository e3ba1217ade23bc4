/* What the ledger does in C: checks and hashes of many small things. Integers only; nothing here allocates. */
#ifndef RAIL_COMPILED_H
#define RAIL_COMPILED_H

#include <stddef.h>
#include <stdint.h>

/* CDEF BEGIN: build.py hands everything up to CDEF END to cffi. */
/* Whether these bytes are one value of the subset of ledger/cbor.py in its one encoding, nested `depth` deep at most. */
int rail_cbor_valid(const uint8_t *data, size_t length, int depth);

/* Which Ed25519 signatures hold: `valid` is 1 or 0 for each. A signed message is a signature, 64 bytes, and what it
   signs; they follow each other, as do the keys, 32 bytes each. `open` is the address of libsodium's crypto_sign_open. */
void rail_open_each(uintptr_t open, const uint8_t *signed_messages, const uint64_t *lengths, const uint8_t *keys,
                    size_t count, uint8_t *valid);
/* CDEF END */

#endif
