"""Segments in the database: what lookups read, and how a record leaves them. SPEC.md section 9.

    segment   the fingerprints and terms of a range of records, in blocks; written once, then merged with its neighbours

While segments are merged, the one that they become takes their blocks over part by part: of the hashes in its parts
it answers for all of them, of the others they do. Each posting is seen once, in any snapshot of the database.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select

from ledger.compiled.matching import Int64s
from ledger.index.blocks import Columns, Layout, bits_of
from ledger.index.columns import distinct
from ledger.index.lookup import UNBOUNDED, Entries, Lookup
from ledger.index.tables import postings, segments, terms
from ledger.rows import insert_rows, rows_with_keys

PARTS: Final = 1 << 16  # of all hashes, by their first 16 bits
_SHIFT: Final = 25  # segment << 25 | bucket << 1 | spilled
_BLOCKS_MAX: Final = 4_096  # read by one statement

Kind = Literal["postings", "terms"]
TABLES: Final[dict[Kind, Table]] = {"postings": postings, "terms": terms}
KEY_BITS: Final[dict[Kind, int]] = {"postings": 64, "terms": 31}


@dataclass(frozen=True, slots=True)
class Postings:
    """Fingerprints of records: posting i is of the record records[i]."""

    hashes: Int64s
    records: Int64s
    edges: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.hashes)


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of `index_segments`."""

    segment: int
    first: int
    last: int
    records: int
    postings: int
    posting_bits: int
    term_bits: int
    into: int | None
    done: int

    def layout(self, kind: Kind) -> Layout:
        bits = self.posting_bits if kind == "postings" else self.term_bits
        return Layout(KEY_BITS[kind], bits, self.first, self.last)

    def block(self, number: int) -> int:
        """The key of a block in its table."""
        return self.segment << _SHIFT | number

    def blocks_between(self, kind: Kind, start: int, end: int) -> tuple[int, int]:
        """Keys low <= block < high of the blocks with keys of the parts start <= part < end, be it few of them."""
        bits = self.layout(kind).bits
        if bits <= 16:
            low, high = start >> (16 - bits), -(-end >> (16 - bits))
        else:
            low, high = start << (bits - 16), end << (bits - 16)
        return self.block(low << 1), self.block(high << 1)


def part_of(kind: Kind, key: int) -> int:
    return key >> (KEY_BITS[kind] - 16)


def read_segments(connection: Connection) -> list[Segment]:
    """All segments in the order of their records; a merged one that is not finished behind those that it comes from."""
    rows = connection.execute(select(segments).order_by(segments.c.first, segments.c.segment))
    return [Segment(*row) for row in rows]


class Snapshot:
    """The segments at one moment, and which of them answers for which part of the hashes."""

    def __init__(self, connection: Connection) -> None:
        """All its queries must be in the transaction, of one snapshot of the database, that it is made in."""
        self._connection = connection
        self._segments = read_segments(connection)
        self._done = {segment.segment: segment.done for segment in self._segments}

    def postings_of(self, hashes: Int64s, limit: int) -> Postings:
        """Postings of different hashes: of each, those up to the record of posting number `limit`."""
        found = self._entries("postings", hashes.view(np.uint64), limit)
        return Postings(hashes[found.key_of], found.records, found.edges)

    def records_with_terms(self, weights: Mapping[int, int], limit: int) -> list[int]:
        """Records with the most weight of these terms among their rarest, of equals the earliest."""
        found = self._entries("terms", np.array(list(weights), np.uint64), UNBOUNDED)
        records, places = np.unique(found.records, return_inverse=True)
        totals = np.bincount(places, np.array(list(weights.values()))[found.key_of])
        return records[np.argsort(-totals, kind="stable")[:limit]].tolist()

    def entries_with(self, bits: int, prefix: int, per_hash: int, most: int) -> list[tuple[int, int]]:
        """(hash without sign, record) of the hashes that begin with these bits, of each its earliest records.

        In order, each once, at most `most`. `per_hash` is no more than `blocks.KEPT_RECORDS`.
        """
        low, high = prefix << (64 - bits), (prefix + 1 << (64 - bits)) - 1
        found = {entry for segment in self._segments for entry in self._entries_between(segment, low, high, most)}
        counts: dict[int, int] = defaultdict(int)
        kept: list[tuple[int, int]] = []
        for entry in sorted(found):
            counts[entry[0]] += 1
            if counts[entry[0]] <= per_hash:
                kept.append(entry)
        return kept[:most]

    def _entries_between(self, segment: Segment, low: int, high: int, most: int) -> list[tuple[int, int]]:
        """The first entries that a segment answers for, a block more than `most`, from the blocks that lookups read."""
        layout = segment.layout("postings")
        first, last = segment.block(layout.number_of(low)), segment.block(layout.number_of(high))
        query = select(postings).where(postings.c.block.between(first, last), postings.c.block % 2 == 0)
        found: list[tuple[int, int]] = []
        for block, data in self._connection.execute(query.order_by(postings.c.block)):
            entries = layout.decode([(block - segment.block(0), data)])
            for key, record in zip(entries.keys.tolist(), entries.records.tolist(), strict=True):
                if low <= key <= high and self._answers(segment, part_of("postings", key)):
                    found.append((key, record))
            if len(found) >= most:
                break
        return found

    def _answers(self, segment: Segment, part: int) -> bool:
        low, high = self._parts_of(segment)
        return low <= part < high

    def _parts_of(self, segment: Segment) -> tuple[int, int]:
        """It answers for the keys of the parts low <= part < high."""
        return (0, segment.done) if segment.into is None else (self._done[segment.into], PARTS)

    def _entries(self, kind: Kind, keys: NDArray[np.uint64], limit: int) -> Entries:
        """What the segments have of the keys that each answers for. Segments in order."""
        layouts = [segment.layout(kind) for segment in self._segments]
        lookup = Lookup(keys, layouts, limit)
        order = np.argsort(keys)
        ascending = keys[order]
        parts = ascending >> np.uint64(KEY_BITS[kind] - 16)
        wanted: list[tuple[Int64s, Int64s, Int64s]] = []  # block, key, layout
        for number, (segment, layout) in enumerate(zip(self._segments, layouts, strict=True)):
            low, high = parts.searchsorted(np.array(self._parts_of(segment), np.uint64))
            blocks = layout.numbers_of(ascending[low:high]).astype(np.int64) + segment.block(0)
            wanted.append((blocks, order[low:high], np.full(high - low, number)))
        nothing = (np.zeros(0, np.int64),) * 3
        blocks, key_of, layout_of = (np.concatenate(columns) for columns in zip(nothing, *wanted, strict=True))
        for start in range(0, len(blocks), _BLOCKS_MAX):
            some = slice(start, start + _BLOCKS_MAX)
            rows = rows_with_keys(self._connection, TABLES[kind], distinct(blocks[some]).tolist())
            lookup.read(rows, blocks[some], key_of[some], layout_of[some])
        return lookup.entries()


# Writing. The caller holds the lock of `index_state`.


def add_segment(connection: Connection, first: int, last: int, records: int, columns: Mapping[Kind, Columns]) -> None:
    """A segment of the records first to last, `records` of which are in these sorted columns."""
    count = len(columns["postings"])
    segment = Segment(
        segment=next_number(connection),
        first=first,
        last=last,
        records=records,
        postings=count,
        posting_bits=bits_of(count),
        term_bits=bits_of(len(columns["terms"])),
        into=None,
        done=PARTS,
    )
    insert_segment(connection, segment)
    for kind, entries in columns.items():
        write_blocks(connection, kind, segment, entries)


def next_number(connection: Connection) -> int:
    return (connection.scalar(select(func.max(segments.c.segment))) or 0) + 1


def insert_segment(connection: Connection, segment: Segment) -> None:
    connection.execute(insert(segments).values(asdict(segment)))


def write_blocks(connection: Connection, kind: Kind, segment: Segment, entries: Columns) -> None:
    """Blocks of sorted entries; none of them may be there yet."""
    rows = [(segment.block(number), data) for number, data in segment.layout(kind).encode(entries)]
    insert_rows(connection, TABLES[kind], rows)


def read_parts(connection: Connection, kind: Kind, segment: Segment, start: int, end: int) -> Columns:
    """The sorted entries of a segment whose keys are in the parts start <= part < end."""
    table = TABLES[kind]
    low, high = segment.blocks_between(kind, start, end)
    query = select(table).where(table.c.block >= low, table.c.block < high).order_by(table.c.block)
    entries = segment.layout(kind).decode(
        [(block - segment.block(0), data) for block, data in connection.execute(query)]
    )
    shift = KEY_BITS[kind] - 16
    keys = entries.keys >> np.uint64(shift)
    return entries.take((keys >= np.uint64(start)) & (keys < np.uint64(end)))


def erase(connection: Connection, kind: Kind, record_id: int, parts: Sequence[int]) -> None:
    """Takes a record that has keys of these parts out of the blocks of every segment; `spilled` entries move up."""
    for segment in read_segments(connection):
        if segment.first <= record_id <= segment.last:
            ranges = {segment.blocks_between(kind, part, part + 1) for part in parts}
            blocks = [block for low, high in sorted(ranges) for block in range(low, high)]
            for start in range(0, len(blocks), _BLOCKS_MAX):  # an even number: the two blocks of a bucket together
                _erase_from(connection, kind, segment, record_id, blocks[start : start + _BLOCKS_MAX])


def _erase_from(connection: Connection, kind: Kind, segment: Segment, record_id: int, blocks: Sequence[int]) -> None:
    """Writes those of the blocks anew that hold the record."""
    table, layout = TABLES[kind], segment.layout(kind)
    rows = sorted(map(tuple, rows_with_keys(connection, table, blocks)))
    entries = layout.decode([(block - segment.block(0), data) for block, data in rows])
    others = entries.records != np.uint64(record_id)
    buckets = entries.keys >> np.uint64(KEY_BITS[kind] - layout.bits)
    changed = np.unique(buckets[~others])
    if not len(changed):
        return
    numbers = [segment.block(int(bucket) << 1) for bucket in changed]
    doomed = delete(table).where(table.c.block.between(bindparam("low"), bindparam("high")))
    connection.execute(doomed, [{"low": number, "high": number + 1} for number in numbers])
    write_blocks(connection, kind, segment, entries.take(others & np.isin(buckets, changed)))
