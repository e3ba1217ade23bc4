"""One text as matching sees it: normal form, units, fingerprints, offsets; each computed when first asked for."""

from functools import cached_property
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ledger.compiled.matching import Int32s, UInt32s, fingerprints_of
from ledger.errors import ParseError
from ledger.index.normalise import Trace, normalise
from ledger.index.offsets import OffsetMap, Utf16Offsets
from ledger.index.readable import readable
from ledger.index.rules import WINDOW_SHINGLES
from ledger.index.runs import Automaton
from ledger.index.terms import terms_of
from ledger.index.units import Units, units_of
from ledger.index.winnow import Shingles, shingles_of

_SEGMENT_CHARS_MAX: Final = 1000  # of a segment's normal form: at most 31 characters of at most 18 each


class Text:
    """A text in its original form and what follows from it.

    All that a search compares is of the reader's form; `plain`, and with `as_written` everything, of the text itself.
    Raises ParseError `text_surrogate` for a text with lone surrogates: it has no UTF-8 form, so no digest either.
    """

    def __init__(self, original: str, weight_max: int | None = None, as_written: bool = False) -> None:
        """Units beyond the weight limit are left out of `units`, `shingles` and `fingerprints`, not of the digests."""
        try:
            self._raw = original.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ParseError(
                "text_surrogate",
                f"character {error.start} of the text is half of a surrogate pair; decode it as UTF-16 or UTF-8 first",
            ) from None
        self.original = original
        self._weight_max = weight_max
        self._as_written = as_written

    @cached_property
    def _form(self) -> tuple[str, OffsetMap | None]:
        return (self.original, None) if self._as_written else readable(self.original)

    @property
    def is_plain(self) -> bool:
        """Whether the reader's form is the text itself."""
        return self._form[0] == self.original

    @cached_property
    def plain(self) -> str:
        """Normal form of the text as it is."""
        return normalise(self.original)

    @cached_property
    def normal(self) -> str:
        """Normal form of the reader's form: units and shingles are cut from it."""
        return self.plain if self.is_plain else normalise(self._form[0])

    @cached_property
    def units(self) -> Units:
        return units_of(self.normal, self._weight_max)

    @cached_property
    def shingles(self) -> Shingles:
        return shingles_of(self.units)

    @cached_property
    def terms(self) -> UInt32s:
        return terms_of(self.units)

    @cached_property
    def _fingerprints(self) -> tuple[Int32s, NDArray[np.uint16]]:
        shingles = self.shingles
        return fingerprints_of(self.units.columns, shingles.hash_column, shingles.end_column, WINDOW_SHINGLES)

    @property
    def fingerprint_column(self) -> Int32s:
        """Which of the shingles are fingerprints, ascending."""
        return self._fingerprints[0]

    @cached_property
    def fingerprints(self) -> list[int]:
        return self.fingerprint_column.tolist()

    @property
    def edges(self) -> NDArray[np.uint16]:
        """What stands beside each fingerprint."""
        return self._fingerprints[1]

    @cached_property
    def automaton(self) -> Automaton:
        return Automaton(self.units.words)

    @cached_property
    def trace(self) -> Trace:
        """Of the normal form up to the last unit at least: what follows it is not traced where that is much."""
        text = self._form[0]
        if not self.units.truncated:
            return Trace(text)
        needed = self.units.ends[-1] + _SEGMENT_CHARS_MAX  # a cut changes nothing but the segment that it falls into
        size = needed * 5 // 4
        while len((trace := Trace(text[:size])).text) < needed and size < len(text):
            size *= 2
        return trace

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Code points of the original that normal[start:end], which is not empty, came from."""
        start, end = self.trace.source(start, end)
        offsets = self._form[1]
        return (start, end) if offsets is None else offsets.source(start, end)

    @cached_property
    def utf16(self) -> Utf16Offsets:
        return Utf16Offsets(self.original)

    @property
    def raw_digest(self) -> int:
        """First 64 bits, signed, of the SHA-256 of the UTF-8 bytes."""
        return _digest(self._raw)

    @property
    def normal_digest(self) -> int:
        """The same of the normal form."""
        return _digest(self.normal.encode("utf-8"))


def _digest(data: bytes) -> int:
    return int.from_bytes(sha256(data).digest()[:8], "big", signed=True)
