"""Where each character of a rewritten text came from."""

from bisect import bisect_right


class OffsetMap:
    """Positions of a target text in its source text, as pieces in order.

        source   H e l l o   S P S P   w o r l d      a linear piece copies character for character (width 0);
        target   h e l l o     ' '     w o r l d      in a folded piece, every target character stands for the
        piece    (0, 0, 0)  (5, 5, 2)  (6, 7, 0)      same `width` source characters

    Both columns never decrease, so a range of the target maps to one range of the source.
    """

    __slots__ = ("_sources", "_targets", "_widths")

    def __init__(self) -> None:
        self._targets: list[int] = []
        self._sources: list[int] = []
        self._widths: list[int] = []

    def add(self, target: int, source: int, width: int = 0) -> None:
        """A piece that begins at `target`, not before the last one, and comes from `source` on."""
        self._targets.append(target)
        self._sources.append(source)
        self._widths.append(width)

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Half-open source range that the target range start < end came from."""
        return self._of(start)[0], self._of(end - 1)[1]

    def _of(self, position: int) -> tuple[int, int]:
        piece = bisect_right(self._targets, position) - 1
        source, width = self._sources[piece], self._widths[piece]
        if width:
            return source, source + width
        source += position - self._targets[piece]
        return source, source + 1


class Utf16Offsets:
    """UTF-16 offsets, as browsers count, of code-point offsets into one text."""

    __slots__ = ("_astral",)

    def __init__(self, text: str) -> None:
        self._astral = [i for i, c in enumerate(text) if c > "\uffff"] if text and max(text) > "\uffff" else []

    def of(self, offset: int) -> int:
        """Each character beyond U+FFFF before the offset is two code units."""
        return offset + bisect_right(self._astral, offset - 1)
