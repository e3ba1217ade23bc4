"""What matching does in C: units, hashes and counts of texts, as arrays. The rules are in ledger/index/SPEC.md.

Arrays are checked here, once: their types by cffi, their lengths by the functions; the C side trusts its caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.compiled._compiled import ffi, lib

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
UInt32s = NDArray[np.uint32]
Bytes = NDArray[np.uint8]

LETTER, MARK, WIDE, DENSE = (1 << bit for bit in range(4))
CODE_POINTS: Final = 0x110000
FOLD_LONG_WAY: Final = lib.FOLD_LONG_WAY
FOLD_EXPANDS: Final = lib.FOLD_EXPANDS
CHARS_MAX: Final = lib.MATCHING_CHARS_MAX
PERSON_BYTES: Final = 16
WEIGHT_MAX: Final = 5  # of a unit
_C_TYPES: Final = {np.dtype(name): f"{name}_t[]" for name in ("uint8", "uint16", "int32", "uint32", "int64", "uint64")}


def _memory(array: NDArray[Any]) -> Any:
    """A contiguous array's memory, of the C type that it has."""
    return ffi.from_buffer(_C_TYPES[array.dtype], array)


@dataclass(frozen=True, slots=True)
class Folding:
    """What stands for each code point: itself or another one, some of `expansions`, or FOLD_LONG_WAY."""

    table: UInt32s
    expansions: UInt32s


def fold(text: str, folding: Folding) -> str | None:
    """The text with each character replaced, and runs of spaces, hyphens and full stops shortened, as SPEC.md has it.

    None: some character is not replaced by itself.
    """
    room = 2 * len(text) + 64
    points = ffi.from_buffer("uint32_t[]", text.encode("utf-32-le", "surrogatepass"))
    out = np.empty(room, np.uint32)
    table, expansions = _memory(folding.table), _memory(folding.expansions)
    count = lib.rail_fold(points, len(text), table, len(folding.table), expansions, room, _memory(out))
    return out[:count].tobytes().decode("utf-32-le") if count >= 0 else None


class UnitColumns:
    """The units of one text: unit i is at text[starts[i]:ends[i]], totals[i] is the weight of the units before it."""

    __slots__ = ("_columns", "_count", "_joined", "_memory", "truncated")

    def __init__(self, columns: Int32s, joined: Bytes, memory: tuple[Any, Any], count: int) -> None:
        """As `cut_units` filled them; there is room behind the units."""
        self._columns, self._joined, self._memory, self._count = columns, joined, memory, count
        self.truncated = bool(columns[0, -1])  # more units follow; the weight limit left them out

    def __len__(self) -> int:
        return self._count

    @property
    def starts(self) -> Int32s:
        return self._columns[0, : self._count]

    @property
    def ends(self) -> Int32s:
        return self._columns[1, : self._count]

    @property
    def totals(self) -> Int32s:
        """One more than units, as bounds."""
        return self._columns[2, : self._count + 1]

    @property
    def bounds(self) -> Int32s:
        """Where each unit begins in `joined`."""
        return self._columns[3, : self._count + 1]

    @property
    def joined(self) -> Bytes:
        """UTF-8 of the units, a space behind each."""
        return self._joined[: self._columns[3, self._count]]

    def memory(self) -> tuple[Any, Any, Any]:
        """Of joined, totals and bounds."""
        columns, joined = self._memory
        room = self._columns.shape[1]
        return joined, columns + 2 * room, columns + 3 * room


def cut_units(text: str, classes: Bytes, weights: Sequence[int], weight_max: int | None) -> UnitColumns:
    """The units of a text up to a weight; `classes` are flags of each code point, `weights` of word, wide and dense.

    OverflowError for a text of more than CHARS_MAX code points.
    """
    if len(text) > CHARS_MAX:
        raise OverflowError(f"the text has more than {CHARS_MAX} characters")
    if classes.shape != (CODE_POINTS,) or len(weights) != 3 or max(weights) > WEIGHT_MAX:
        raise ValueError(f"a class for each code point, and three weights of at most {WEIGHT_MAX}")
    length = len(text)
    columns, joined = np.empty((4, length + 1), np.int32), np.empty(5 * length, np.uint8)
    memory = ffi.from_buffer("int32_t[]", columns), _memory(joined)
    points = ffi.from_buffer("uint32_t[]", text.encode("utf-32-le"))
    limit = WEIGHT_MAX * length if weight_max is None else weight_max
    count = lib.rail_units(points, length, _memory(classes), limit, list(weights), *memory)
    return UnitColumns(columns, joined, memory, count)


def hash_runs(units: UnitColumns, weight: int, size: int, person: bytes) -> tuple[Int32s, NDArray[np.uint64]]:
    """For each unit that has this weight from it on, the end of the shortest run with it, and the run's hash.

    The BLAKE2b digest of `size` bytes, 1 to 8, of its units with spaces between, as a big-endian number.
    """
    if len(person) > PERSON_BYTES or not 1 <= size <= 8 or weight < 1:
        raise ValueError("runs of some weight, hashes of 1 to 8 bytes, personalised by up to 16")
    ends, hashes = np.empty(len(units), np.int32), np.empty(len(units), np.uint64)
    person = person.ljust(PERSON_BYTES, b"\0")
    count = lib.rail_runs(*units.memory(), len(units), weight, size, person, _memory(ends), _memory(hashes))
    return ends[:count], hashes[:count]


def window_ends(units: UnitColumns, count: int, weight: int) -> Int64s:
    """Where each of the windows of at least this weight ends into which the first `count` units part."""
    if count > len(units):
        raise ValueError("there are fewer units")
    ends = np.empty(count, np.int64)
    return ends[: lib.rail_windows(units.memory()[1], count, weight, _memory(ends))]


def fingerprints_of(units: UnitColumns, hashes: Int64s, ends: Int32s, window: int) -> tuple[Int32s, NDArray[np.uint16]]:
    """(which runs have the least hash of a window of neighbours, the last of equals, ascending; what is beside them).

    Fewer runs than a window has are one window. Beside them: four bits for each of two units before and two after.
    """
    if len(ends) != len(hashes) or len(ends) > len(units):
        raise ValueError("each run has a hash and an end")
    chosen, edges = np.empty(len(hashes), np.int32), np.empty(len(hashes), np.uint16)
    joined, _, bounds = units.memory()
    count = lib.rail_fingerprints(
        joined, bounds, len(units), _memory(hashes), _memory(ends), len(hashes), window, _memory(chosen), _memory(edges)
    )
    return chosen[:count], edges[:count]


def echo_of(hashes: Int64s, ends: Int32s, known: Int64s, totals: Int32s) -> tuple[bytearray, int]:
    """(1 for each unit in a shingle whose hash is among the sorted `known`, else 0; the weight of these units)."""
    echoed = bytearray(len(totals) - 1)
    weight = lib.rail_echo(
        _memory(hashes), _memory(ends), len(ends), _memory(known), len(known), _memory(totals),
        ffi.from_buffer("uint8_t[]", echoed),
    )  # fmt: skip
    return echoed, weight


def count_earlier(slots: Int32s, text_ends: Int64s, counts: Int64s) -> Int64s:
    """For each place of many texts, in how many texts its term was before the text it is in.

    `slots` numbers the term at each place; `counts` has in how many each term was before the first text, and then in
    how many it is after the last.
    """
    earlier, last = np.empty(len(slots), np.int64), np.full(len(counts), -1, np.int64)
    lib.rail_count_earlier(
        _memory(slots), _memory(text_ends), len(text_ends), _memory(counts), _memory(last), _memory(earlier)
    )
    return earlier


def choose(terms: UInt32s, weights: Int32s, window_ends: Int64s, most: int) -> NDArray[np.bool_]:
    """Places of the `most` different terms of each window that weigh most, of equals the least; one place of each."""
    if len(weights) != len(terms) or not 0 < most <= lib.CHOSEN_MAX:
        raise ValueError(f"a weight for each term, and 1 to {lib.CHOSEN_MAX} of them chosen")
    chosen = np.zeros(len(terms), np.uint8)
    lib.rail_choose(_memory(terms), _memory(weights), _memory(window_ends), len(window_ends), most, _memory(chosen))
    return chosen.view(np.bool_)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Keys to look up, each in one block: block i is data[starts[i]:ends[i]], laid out by layout_of[i]."""

    starts: Int64s
    ends: Int64s
    keys: NDArray[np.uint64]
    key_of: Int64s  # the number of each key
    layout_of: Int64s


def find_entries(
    data: bytes, wanted: Wanted, layouts: Int64s, limit: int, found: Int64s, last: Int64s
) -> tuple[Int64s, Int64s, NDArray[np.uint16]]:
    """(number of the key, record, edges) of the wanted entries of blocks; see `rail_find_entries`.

    A layout is a row: the record that it counts from, and bytes of a rest, a record and edges. `found` and `last` have
    a place for each key's number, and take part in the next call.
    """
    room = int((wanted.ends - wanted.starts).sum()) // int(layouts[:, 1:].sum(axis=1).min()) if len(layouts) else 0
    key_found, records, edges = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint16)
    count = lib.rail_find_entries(
        data, _memory(wanted.starts), _memory(wanted.ends), len(wanted.keys), _memory(wanted.keys),
        _memory(wanted.key_of), _memory(wanted.layout_of), _memory(layouts), limit, _memory(found), _memory(last),
        _memory(key_found), _memory(records), _memory(edges),
    )  # fmt: skip
    return key_found[:count], records[:count], edges[:count]


def places_of(known: UInt32s, terms: UInt32s) -> Int32s:
    """The place of each term among the sorted `known`, -1 where it is none of them."""
    places = np.empty(len(terms), np.int32)
    lib.rail_places(_memory(known), len(known), _memory(terms), len(terms), _memory(places))
    return places


def region_start(places: Int32s, size: int, weights: Int32s) -> int:
    """Where the stretch of `size` places begins whose different known terms weigh most; the first of equals."""
    inside = np.zeros(len(weights), np.int32)
    return lib.rail_region(_memory(places), len(places), size, _memory(weights), _memory(inside))


def terms_weight(places: Int32s, weights: Int32s) -> int:
    """The weight of the different known terms."""
    seen = np.zeros(len(weights), np.uint8)
    return lib.rail_terms_weight(_memory(places), len(places), _memory(weights), _memory(seen))


def pairs_weight(places: Int32s, near: int, pairs: Int64s, weights: Int32s) -> int:
    """The weight of the different known pairs at most `near` places apart: lesser place << 32 | greater, sorted."""
    seen = np.zeros(len(pairs), np.uint8)
    return lib.rail_pairs_weight(
        _memory(places), len(places), near, _memory(pairs), len(pairs), _memory(weights), _memory(seen)
    )
