"""Segments in the database: what lookups read, and how a record leaves them. SPEC.md section 9.

    segment   the fingerprints and terms of a range of records, in blocks; written once, then merged with its neighbours

While segments are merged, the one that they become takes their blocks over part by part: of the hashes in its parts
it answers for all of them, of the others they do. Each posting is seen once, in any snapshot of the database.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import numpy as np
from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select

from ledger.index.blocks import Columns, Layout, bits_of
from ledger.index.tables import postings, segments, terms
from ledger.rows import insert_rows, rows_with_keys

PARTS: Final = 1 << 16  # of all hashes, by their first 16 bits
_SHIFT: Final = 25  # segment << 25 | bucket << 1 | spilled
_BLOCKS_MAX: Final = 4_096  # read by one statement
_MASK: Final = (1 << 64) - 1

Kind = Literal["postings", "terms"]
TABLES: Final[dict[Kind, Table]] = {"postings": postings, "terms": terms}
KEY_BITS: Final[dict[Kind, int]] = {"postings": 64, "terms": 31}


@dataclass(frozen=True, slots=True)
class Posting:
    """A fingerprint of a record."""

    hash: int
    record_id: int
    edges: int


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

    def postings_of(self, hashes: Sequence[int], limit: int) -> list[Posting]:
        """Postings of the hashes, signed ones: of each, those up to the record of posting number `limit`."""
        wanted = {value & _MASK: value for value in hashes}
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for layout, key, data in self._blocks("postings", list(wanted)):
            known = found[key]
            for entry in layout.postings_in(data, key):
                if len(known) >= limit and entry[0] != known[-1][0]:
                    break
                known.append(entry)
        return [Posting(wanted[key], *entry) for key, entries in found.items() for entry in entries]

    def records_with_terms(self, weights: Mapping[int, int], limit: int) -> list[int]:
        """Records with the most weight of these terms among their rarest, of equals the earliest."""
        found = [(np.zeros(0, np.uint64), 0)]
        for layout, key, data in self._blocks("terms", list(weights)):
            found.append((layout.records_in(data, key), weights[key]))
        each = np.repeat([weight for _, weight in found], [len(records) for records, _ in found])
        records, places = np.unique(np.concatenate([records for records, _ in found]), return_inverse=True)
        totals = np.bincount(places, each)
        return [int(record) for record in records[np.argsort(-totals, kind="stable")[:limit]]]

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
        return part < segment.done if segment.into is None else part >= self._done[segment.into]

    def _blocks(self, kind: Kind, keys: Sequence[int]) -> Iterator[tuple[Layout, int, bytes]]:
        """For each segment and key that it answers for, the key's block, if there is one. Segments in order."""
        wanted: list[tuple[int, int, Layout]] = []  # block, key
        ascending = sorted(keys)
        for segment in self._segments:
            layout, begin = segment.layout(kind), segment.block(0)
            wanted += [
                (begin + layout.number_of(key), key, layout)
                for key in ascending
                if self._answers(segment, part_of(kind, key))
            ]
        for start in range(0, len(wanted), _BLOCKS_MAX):
            some = wanted[start : start + _BLOCKS_MAX]
            blocks = list(dict.fromkeys(block for block, *_ in some))
            data = dict(map(tuple, rows_with_keys(self._connection, TABLES[kind], blocks)))
            yield from ((layout, key, data[block]) for block, key, layout in some if block in data)


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
