"""Fingerprints or terms of many records in blocks: the bytes. SPEC.md section 9.

    key       leading `bits` bits: the bucket | the rest          of a fingerprint 64 bits without sign, of a term 31
    block     rests ... | records ... | edges ...                 columns of one bucket, sorted by key, record, edges
              a rest is the key's last bytes, a record counts from the segment's first; big-endian, as few whole bytes
              as all of the segment need; fingerprints have two bytes of edges, terms none

Of a fingerprint, postings beyond its KEPT_RECORDS earliest records go to a second block of the bucket, `spilled`, which
no lookup reads: what a phrase of all records costs does not grow with the log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

KEPT_RECORDS: Final = 64  # of one fingerprint of a segment, in the block that lookups read
BITS_MAX: Final = 24  # of a bucket's number
BLOCK_ENTRIES: Final = 32  # a block has as many on average, or up to twice as many: about eight fill a page

Row = tuple[int, bytes]  # number of a block, bucket << 1 | spilled; its data


@dataclass(frozen=True, slots=True)
class Columns:
    """Postings, or terms of records: entry i is keys[i], records[i], edges[i]."""

    keys: NDArray[np.uint64]
    records: NDArray[np.uint64]
    edges: NDArray[np.uint64]  # of terms: 0

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Columns":
        return Columns(self.keys[chosen], self.records[chosen], self.edges[chosen])

    def sorted(self) -> "Columns":
        """By key, record and edges; each entry once."""
        whole = self.take(np.lexsort((self.edges, self.records, self.keys)))
        new = np.ones(len(whole), dtype=bool)
        new[1:] = (whole.keys[1:] != whole.keys[:-1]) | (whole.records[1:] != whole.records[:-1])
        new[1:] |= whole.edges[1:] != whole.edges[:-1]
        return whole.take(new)


def joined(parts: Sequence[Columns]) -> Columns:
    """The entries of sorted parts that follow each other in the order of their records: sorted."""
    keys, records, edges = (
        np.concatenate([np.zeros(0, np.uint64), *columns])
        for columns in (
            [part.keys for part in parts],
            [part.records for part in parts],
            [part.edges for part in parts],
        )
    )
    return Columns(keys, records, edges).take(np.argsort(keys, kind="stable"))


def bits_of(entries: int, least: int = 0) -> int:
    """How many leading bits name the bucket in a segment of so many entries."""
    return max(least, min(BITS_MAX, (entries // BLOCK_ENTRIES).bit_length() - 1), 0)


@dataclass(frozen=True)
class Layout:
    """How the blocks of one segment are laid out."""

    key_bits: int  # 64: fingerprints; 31: terms
    bits: int  # of these, in the bucket's number
    first: int  # record
    last: int

    @cached_property
    def rest_bytes(self) -> int:
        return -(-(self.key_bits - self.bits) // 8)

    @cached_property
    def record_bytes(self) -> int:
        return max(1, -(-(self.last - self.first).bit_length() // 8))

    @cached_property
    def edge_bytes(self) -> int:
        return 2 if self.key_bits == 64 else 0

    @cached_property
    def entry_bytes(self) -> int:
        return self.rest_bytes + self.record_bytes + self.edge_bytes

    def number_of(self, key: int) -> int:
        """The block of a key that lookups read."""
        return key >> (self.key_bits - self.bits) << 1

    def numbers_of(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The same of many keys."""
        return keys >> np.uint64(self.key_bits - self.bits) << np.uint64(1)

    def encode(self, entries: Columns) -> Iterator[Row]:
        """The blocks of sorted entries, ascending."""
        numbers = self.numbers_of(entries.keys)
        if self.edge_bytes:
            spilled = _record_ranks(entries) >= KEPT_RECORDS
            if spilled.any():
                numbers |= spilled.astype(np.uint64)
                order = np.argsort(numbers, kind="stable")
                numbers, entries = numbers[order], entries.take(order)
        bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)] if len(numbers) else [0]
        rests = _to_bytes(entries.keys, self.rest_bytes)
        records = _to_bytes(entries.records - np.uint64(self.first), self.record_bytes)
        edges = _to_bytes(entries.edges, self.edge_bytes)
        r, n, e = self.rest_bytes, self.record_bytes, self.edge_bytes
        for start, end in pairwise(bounds):
            data = rests[start * r : end * r] + records[start * n : end * n] + edges[start * e : end * e]
            yield int(numbers[start]), data

    def decode(self, rows: Sequence[Row]) -> Columns:
        """The sorted entries of blocks that are given in ascending order."""
        counts = [len(data) // self.entry_bytes for _, data in rows]
        parts = list(zip(rows, counts, strict=True))
        middle, end = self.rest_bytes, self.rest_bytes + self.record_bytes
        rests = _from_bytes(b"".join(data[: n * middle] for (_, data), n in parts), middle)
        records = _from_bytes(b"".join(data[n * middle : n * end] for (_, data), n in parts), self.record_bytes)
        edges = _from_bytes(b"".join(data[n * end :] for (_, data), n in parts), self.edge_bytes)
        numbers = np.repeat(np.array([number for number, _ in rows], dtype=np.uint64), counts)
        keys = numbers >> np.uint64(1) << np.uint64(self.key_bits - self.bits) | rests
        entries = Columns(keys, records + np.uint64(self.first), edges if self.edge_bytes else np.zeros_like(keys))
        spilled = any(number & 1 for number, _ in rows)
        return entries.take(np.argsort(keys, kind="stable")) if spilled else entries

    def row(self) -> tuple[int, int, int, int]:
        """As lookups in C take it."""
        return self.first, self.rest_bytes, self.record_bytes, self.edge_bytes


def _record_ranks(entries: Columns) -> NDArray[np.int64]:
    """For each of sorted entries, how many records of its key come before its own."""
    new_key = np.ones(len(entries), dtype=bool)
    new_key[1:] = entries.keys[1:] != entries.keys[:-1]
    new_record = new_key.copy()
    new_record[1:] |= entries.records[1:] != entries.records[:-1]
    ordinal = np.cumsum(new_record)
    return ordinal - np.maximum.accumulate(np.where(new_key, ordinal, 0))


def _to_bytes(values: NDArray[np.uint64], size: int) -> bytes:
    return values.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - size :].tobytes()


def _from_bytes(data: bytes, size: int) -> NDArray[np.uint64]:
    if not size:
        return np.zeros(0, dtype=np.uint64)
    wide = np.zeros((len(data) // size, 8), dtype=np.uint8)
    wide[:, 8 - size :] = np.frombuffer(data, dtype=np.uint8).reshape(-1, size)
    return wide.view(">u8")[:, 0].astype(np.uint64)
