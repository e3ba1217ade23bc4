"""Which record accounts for which words of the pasted text. SPEC.md section 7."""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from ledger.index.runs import Run
from ledger.index.units import Units


class Piece(NamedTuple):
    """Units start <= i < end of the pasted text, which stand in the record from its unit record_start on."""

    record_id: int
    start: int
    end: int
    record_start: int


def split_run(record_id: int, run: Run, echoed: bytearray) -> tuple[list[Piece], list[Piece]]:
    """(pieces of the run that its record's prompt did not contain, pieces that it did), each as long as possible."""
    kept: list[Piece] = []
    subtracted: list[Piece] = []
    for start, end in _stretches(echoed, run.start, run.end):
        piece = Piece(record_id, start, end, run.record_start + start - run.start)
        (subtracted if echoed[start] else kept).append(piece)
    return kept, subtracted


def cover(pieces: Iterable[Piece], units: Units, taken: bytearray) -> list[Piece]:
    """Pieces without overlap that cover the same units, less those already `taken`; takes them.

    The longest piece goes first, of equals the earliest record; what is left of the others competes on.
    """
    queue = [(-units.weight(piece.start, piece.end), piece) for piece in pieces]
    heapify(queue)
    chosen: list[Piece] = []
    while queue:
        _, piece = heappop(queue)
        free = [part for part in _stretches(taken, piece.start, piece.end) if not taken[part[0]]]
        if free == [(piece.start, piece.end)]:
            chosen.append(piece)
            taken[piece.start : piece.end] = b"\1" * (piece.end - piece.start)
            continue
        for start, end in free:
            part = piece._replace(start=start, end=end, record_start=piece.record_start + start - piece.start)
            heappush(queue, (-units.weight(start, end), part))
    return chosen


def union_weight(pieces: Iterable[Piece], units: Units) -> int:
    """Weight of the units that are in at least one piece."""
    weight = reached = 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        start = max(reached, piece.start)
        if start < piece.end:
            weight += units.weight(start, piece.end)
            reached = piece.end
    return weight


def _stretches(flags: bytearray, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts start..end where the flag changes."""
    while start < end:
        stop = flags.find(not flags[start], start, end)
        stop = end if stop < 0 else stop
        yield start, stop
        start = stop
