"""Normal form of a text, and the way back to the original's offsets. SPEC.md section 1.

Steps: drop what cannot be seen; NFKC, casefold, NFKC; fold quotes, dashes and whitespace to one character each; shorten
their runs; strip.

The normal form is computed for every text, its offsets only for texts that share something with a record. So there are
two implementations: `normalise` by whole-string operations, `trace` step by step with a map for each. A test holds that
they agree.
"""

import re
from functools import cache, lru_cache
from typing import Final, NamedTuple
from unicodedata import normalize

import numpy as np

from ledger.compiled.matching import FOLD_EXPANDS, FOLD_LONG_WAY, Folding, fold
from ledger.index.characters import FOLD_AFTER, FOLD_BEFORE, classes, ranges_of
from ledger.index.offsets import OffsetMap

EXTENDERS_MAX: Final = 30  # after one character, as in UAX #15's stream-safe text; a longer pile is cut there

_RUNS: Final = re.compile(r" {2,}|-{2,}|\.{4,}")
_FOLDED: Final = re.compile(f"[{re.escape(''.join(map(chr, FOLD_AFTER.keys() - {32})))}]")
_FOLDED_BEFORE: Final = re.compile(f"[{''.join(map(chr, FOLD_BEFORE))}]")
# Characters that fold one by one; all others of the first plane are ideographs and syllables, which are their own.
_FOLDED_END: Final = 0x10000
_LOOKED_AT: Final = ((0x0001, 0x33FF), (0xA000, 0xABFF), (0xF900, 0xFFFF))
_SHORT: Final = {" ": " ", "-": "-", ".": "..."}


def normalise(text: str) -> str:
    """The normal form of a text without lone surrogates. Linear in its length; idempotent.

    Texts of one normal form look alike to readers; SPEC.md section 1 lists what is folded. Look-alike letters of
    different scripts are not.
    """
    folded = fold(text, _folding())
    return _long_way(text) if folded is None else folded


def _long_way(text: str) -> str:
    """The normal form of texts in which characters compose or are sorted, and of those with rare ones."""
    folded = _fold_characters(_fold_piles(_patterns().dropped.sub("", text)))
    if "  " in folded or "--" in folded or "...." in folded:
        folded = _RUNS.sub(lambda match: _SHORT[match[0][0]], folded)
    return folded.strip(" ")


@cache
def _folding() -> Folding:
    """What each character of the first plane becomes, as long as it is no extender: about 20 ms, once a process."""
    known, table = classes(), np.arange(_FOLDED_END, dtype=np.uint32)
    points = [i for first, last in _LOOKED_AT for i in range(first, last + 1)]
    alone = _fold_characters(_normal_form("\0".join(map(chr, points)))).split("\0")
    expansions: list[int] = []
    for i, folded in zip(points, alone, strict=True):
        if len(folded) == 1:
            table[i] = ord(folded)
        else:
            table[i] = FOLD_EXPANDS | len(folded) << 24 | len(expansions)
            expansions += map(ord, folded)
    for first, last in ranges_of(known.dropped):
        table[first : last + 1] = FOLD_EXPANDS
    for first, last in ((0xD800, 0xDFFF), *ranges_of(known.extenders)):
        table[first : last + 1] = FOLD_LONG_WAY
    return Folding(table, np.array(expansions, np.uint32))


class Trace:
    """Where the characters of a normal form came from."""

    __slots__ = ("_steps", "text")

    def __init__(self, original: str) -> None:
        visible, first = _drop_invisible(original)
        normal, second = _fold_segments(visible)
        self.text, third = _shorten_runs(_fold_characters(normal))  # equals normalise(original)
        self._steps = (third, second, first)

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Code points of the original that text[start:end], which is not empty, came from."""
        for offsets in self._steps:
            start, end = offsets.source(start, end)
        return start, end


class _Patterns(NamedTuple):
    dropped: re.Pattern[str]
    pile: re.Pattern[str]
    segment: re.Pattern[str]  # a run of simple characters (group 1), or a character with its extenders


@cache
def _patterns() -> _Patterns:
    known = classes()
    extenders = f"[{known.extenders}]"
    return _Patterns(
        dropped=re.compile(f"[{known.dropped}]+"),
        pile=re.compile(f"{extenders}{extenders}{{{EXTENDERS_MAX},}}"),  # spelt so that `re` skips to the first
        segment=re.compile(f"([{known.simple}]+)(?!{extenders})|.{extenders}{{0,{EXTENDERS_MAX}}}", re.DOTALL),
    )


def _normal_form(text: str) -> str:
    text = _FOLDED_BEFORE.sub(lambda match: FOLD_BEFORE[ord(match[0])], text)
    return normalize("NFKC", normalize("NFKC", text).casefold())


def _fold_piles(text: str) -> str:
    """The whole text's normal form, but long piles of marks by segments: `unicodedata` sorts in quadratic time."""
    parts: list[str] = []
    position = 0
    for match in _patterns().pile.finditer(text):
        start = max(position, match.start() - 1)  # with the character below the pile
        parts += (_normal_form(text[position:start]), _fold_segments(text[start : match.end()])[0])
        position = match.end()
    parts.append(_normal_form(text[position:]))
    return "".join(parts)


def _fold_characters(text: str) -> str:
    return _FOLDED.sub(lambda match: FOLD_AFTER[ord(match[0])], text)


_normal_form_of_segment = lru_cache(maxsize=16_384)(_normal_form)


def _drop_invisible(text: str) -> tuple[str, OffsetMap]:
    offsets = OffsetMap()
    parts: list[str] = []
    length = position = 0
    for match in _patterns().dropped.finditer(text):
        if match.start() > position:
            offsets.add(length, position)
            parts.append(text[position : match.start()])
            length += match.start() - position
        position = match.end()
    offsets.add(length, position)
    parts.append(text[position:])
    return "".join(parts), offsets


def _fold_segments(text: str) -> tuple[str, OffsetMap]:
    """Nothing composes or sorts across the borders of segments, so the parts join to the whole's normal form."""
    offsets = OffsetMap()
    parts: list[str] = []
    length = 0
    for match in _patterns().segment.finditer(text):
        start, end = match.span()
        if match.lastindex:
            part = text[start:end].casefold()
            offsets.add(length, start)
        else:
            part = _normal_form_of_segment(text[start:end])
            offsets.add(length, start, end - start)
        parts.append(part)
        length += len(part)
    return "".join(parts), offsets


def _shorten_runs(text: str) -> tuple[str, OffsetMap]:
    offsets = OffsetMap()
    parts: list[str] = []
    stop = len(text.rstrip(" "))
    position = len(text) - len(text.lstrip(" ")) if stop else 0
    length = 0
    for match in _RUNS.finditer(text, position, stop):
        start, end = match.span()
        short = _SHORT[text[start]]
        if start > position:
            offsets.add(length, position)
        length += start - position
        offsets.add(length, start, end - start)
        parts += (text[position:start], short)
        length += len(short)
        position = end
    offsets.add(length, position)
    parts.append(text[position:stop])
    return "".join(parts), offsets
