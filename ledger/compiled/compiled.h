/* What the ledger does in C: checks and hashes of many small things. Integers only; nothing here allocates. */
#ifndef RAIL_COMPILED_H
#define RAIL_COMPILED_H

#include <stddef.h>
#include <stdint.h>

/* CDEF BEGIN: build.py hands everything up to CDEF END to cffi. */
/* Whether these bytes are one value of the subset of ledger/cbor.py in its one encoding, nested `depth` deep at most. */
int rail_cbor_valid(const uint8_t *data, size_t length, int depth);
/* CDEF END */

#endif
