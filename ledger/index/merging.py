"""Segments of about one size become one: so that few answer, and each posting is written a few times only.

A segment is of tier t if it has 4^t records or more, but not 4^(t + 1). Where FAN_IN of one tier stand beside each
other, with smaller ones between them or not, they are merged; the lowest tier first. A step moves some parts of the
hashes, in one transaction: memory and locks are bounded by its size, and a killed process leaves a merge that the next
step goes on with.
"""

from collections import defaultdict
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, delete, update

from ledger.index.blocks import bits_of, joined
from ledger.index.segments import (
    PARTS,
    TABLES,
    Segment,
    insert_segment,
    next_number,
    read_parts,
    read_segments,
    write_blocks,
)
from ledger.index.tables import segments

FAN_IN: Final = 4
STEP_POSTINGS: Final = 1 << 18  # about as many are moved at once: 10 MB of memory, 0.1 s


def merge_step(connection: Connection) -> int:
    """Goes on with a merge, or begins one; returns about how many postings it moved, 0: there is nothing to merge.

    The caller holds the lock of `index_state`.
    """
    known = read_segments(connection)
    inputs = _next_merge(known)
    if not inputs:
        return 0
    number = inputs[0].into
    output = _begin(connection, inputs) if number is None else next(s for s in known if s.segment == number)
    return _move(connection, inputs, output)


def _next_merge(known: list[Segment]) -> list[Segment]:
    """What to merge, of the lowest tier that has enough; of one tier, what has begun first."""
    begun: dict[int, list[Segment]] = defaultdict(list)
    for segment in known:
        if segment.into is not None:
            begun[segment.into].append(segment)
    possible = [(max(map(_tier, inputs)), inputs) for inputs in begun.values()]
    whole = [segment for segment in known if segment.segment not in begun]
    for tier in {_tier(segment) for segment in whole}:
        for mergeable, group in groupby(whole, lambda segment: segment.into is None and _tier(segment) <= tier):  # noqa: B023
            neighbours = list(group)
            if mergeable and [_tier(segment) for segment in neighbours].count(tier) >= FAN_IN:
                possible.append((tier, neighbours))
    return min(possible, key=lambda merge: merge[0], default=(0, []))[1]


def _tier(segment: Segment) -> int:
    return (segment.records.bit_length() - 1) // 2


def _begin(connection: Connection, inputs: list[Segment]) -> Segment:
    postings = sum(segment.postings for segment in inputs)
    steps = _steps(postings)
    least = steps.bit_length() - 1  # no block is written in two steps
    output = Segment(
        segment=next_number(connection),
        first=inputs[0].first,
        last=inputs[-1].last,
        records=sum(segment.records for segment in inputs),
        postings=postings,
        posting_bits=bits_of(postings, least),
        term_bits=bits_of(postings // 3, least),
        into=None,
        done=0,
    )
    insert_segment(connection, output)
    numbers = [segment.segment for segment in inputs]
    connection.execute(update(segments).where(segments.c.segment.in_(numbers)).values(into=output.segment))
    return output


def _steps(postings: int) -> int:
    """In how many steps, a power of two, so many postings are moved."""
    return min(PARTS, 1 << (postings // STEP_POSTINGS).bit_length())


def _move(connection: Connection, inputs: list[Segment], output: Segment) -> int:
    """One step: some parts of the hashes from the inputs to the output."""
    start = output.done
    end = start + PARTS // _steps(output.postings)
    moved = 0
    for kind, table in TABLES.items():
        entries = joined([read_parts(connection, kind, segment, start, end) for segment in inputs])
        write_blocks(connection, kind, output, entries)
        moved += len(entries)
        for segment in inputs:  # blocks that reach beyond the end stay, until they are wholly behind it
            (low, _), (high, _) = (segment.blocks_between(kind, part, part) for part in (start, end))
            connection.execute(delete(table).where(table.c.block >= low, table.c.block < high))
    connection.execute(update(segments).where(segments.c.segment == output.segment).values(done=end))
    if end == PARTS:
        numbers = [segment.segment for segment in inputs]
        connection.execute(delete(segments).where(segments.c.segment.in_(numbers)))
    return max(moved, 1)
