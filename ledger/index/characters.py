"""Classes of code points that normalisation and units are built on, as regular expression fragments and tables.

Derived from the `unicodedata` of the running Python where it has the property, and written out where it has not.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from ledger.compiled.matching import CODE_POINTS, DENSE, LETTER, MARK, WIDE, Bytes

# DerivedCoreProperties.txt, Default_Ignorable_Code_Point, less what general category Cf covers.
_IGNORABLE: Final = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0x2065, 0x2065),
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFFA0, 0xFFA0),  # halfwidth Hangul filler
    (0xFFF0, 0xFFF8),
    (0xE0000, 0xE0FFF),  # tags, variation selectors supplement, reserved
)
_RANGE: Final = re.compile(r"\\U([0-9a-f]{8})-\\U([0-9a-f]{8})")
_LETTERS_END: Final = 0x40000  # no letters or digits from here on
_WHITESPACE_CONTROLS: Final = frozenset("\t\n\v\f\r\x1c\x1d\x1e\x1f\x85")

# Scripts written without spaces. WIDE: about two characters a word.
_WIDE: Final = (
    (0x3005, 0x3007),  # iteration mark, closing mark, zero
    (0x3041, 0x3096),  # Hiragana
    (0x309D, 0x309F),
    (0x30A1, 0x30FA),  # Katakana
    (0x30FC, 0x30FF),
    (0x3105, 0x312F),  # Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA000, 0xA48C),  # Yi
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x17000, 0x18DFF),  # Tangut, Khitan
    (0x1AFF0, 0x1B16F),  # kana supplements
    (0x20000, 0x3FFFD),  # Han, supplementary planes
)
# DENSE: letters of alphabets written without spaces, four or more to a word. Their marks belong to the letter before.
_DENSE_BLOCKS: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0xA980, 0xA9FF),  # Javanese, Myanmar extended B
    (0xAA60, 0xAADF),  # Myanmar extended A, Tai Viet
)

# Characters whose normal form is one character, by lower case and FOLD_AFTER alone, and on which nothing composes
# unless an extender follows: their runs are traced in one step. Only a shortcut; a test compares it with the long way.
_SIMPLE: Final = (
    (0x0009, 0x007E),
    (0x00C0, 0x00DE),
    (0x00E0, 0x012F),
    (0x0400, 0x0481),
    (0x0561, 0x0586),
    (0x05D0, 0x05EA),
    (0x0620, 0x063F),
    (0x0904, 0x0939),
    (0x2010, 0x2010),
    (0x2013, 0x2014),
    (0x2018, 0x201F),
    (0x3001, 0x3002),
    (0x3005, 0x3007),
    (0x3041, 0x3096),
    (0x30A1, 0x30FA),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
)

# Applied before NFKC, to characters that it would take apart.
FOLD_BEFORE: Final = {0x00B4: "'", 0x2033: '"', 0x2036: '"', 0x22EF: "\u2026"}
# Applied after NFKC and case folding: one character to one character. Whitespace is added below.
FOLD_AFTER: Final = (
    dict.fromkeys(map(ord, "`\u02b9\u02bb\u02bc\u02bd\u05f3\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a"), "'")
    | dict.fromkeys(map(ord, "\u00ab\u00bb\u02ba\u05f4\u201c\u201d\u201e\u201f\u300c\u300d\u300e\u300f"), '"')
    | dict.fromkeys(map(ord, "\u301d\u301e\u301f\u2e42"), '"')
    | dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b"), "-")
    | dict.fromkeys((i for i in range(0x3001) if chr(i).isspace()), " ")
)


# All else is ideographs and Hangul syllables (no mark, nothing invisible, no extender), unassigned or private.
_SCANNED: Final = ((0, 0x33FF), (0xA000, 0xABFF), (0xD7B0, 0x16FFF), (0x1AFF0, 0x1FFFF), (0x2F800, 0x2FA1F))


@dataclass(frozen=True, slots=True)
class Classes:
    """Insides of regular expression classes [...]."""

    dropped: str  # the invisible: Cf, controls that are no whitespace, default ignorables
    extenders: str  # may reorder or compose with the character before, once compatibility forms are taken apart
    marks: str  # category M: part of the word or letter before
    dense: str  # letters of the scripts with four or more letters to a word
    wide: str  # characters of the scripts with about two to a word
    simple: str  # the shortcut


@cache
def classes() -> Classes:
    """All classes, from one pass over the Unicode data of this Python: about 20 ms, once a process."""
    dropped = {i for first, last in _IGNORABLE for i in range(first, last + 1)}
    composing = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}  # Hangul vowels and final consonants
    marks, dense, decomposed = set(), set(), []
    for i in (i for first, last in _SCANNED for i in range(first, last + 1)):
        category = unicodedata.category(chr(i))
        if category[0] == "M":
            marks.add(i)
        elif category == "Cf" or (category == "Cc" and chr(i) not in _WHITESPACE_CONTROLS):
            dropped.add(i)
        elif category[0] == "L" and any(first <= i <= last for first, last in _DENSE_BLOCKS):
            dense.add(i)
        if mapping := unicodedata.decomposition(chr(i)):
            decomposed.append(i)
            parts = mapping.split()
            if len(parts) == 2 and parts[0][0] != "<":
                composing.add(int(parts[1], 16))
    extenders = {i for i in marks | composing if unicodedata.combining(chr(i)) or i in composing}
    for i in decomposed:
        first = ord(unicodedata.normalize("NFKD", chr(i))[0])
        if unicodedata.combining(chr(first)) or first in composing:
            extenders.add(i)
    return Classes(
        dropped=_class_of(dropped),
        extenders=_class_of(extenders),
        marks=_class_of(marks),
        dense=_class_of(dense),
        wide="".join(map(_range, _WIDE)),
        simple="".join(map(_range, _SIMPLE)),
    )


@cache
def unit_classes() -> Bytes:
    """For each code point, what it is to a unit: flags of `ledger.compiled.matching`. 1 MB, once a process."""
    known, table = classes(), np.zeros(CODE_POINTS, np.uint8)
    planes = np.arange(_LETTERS_END, dtype=np.uint32).tobytes().decode("utf-32-le", "surrogatepass")
    for match in re.finditer(r"[^\W_]+", planes):
        table[match.start() : match.end()] = LETTER
    for inside, flag in ((known.dense, DENSE), (known.wide, WIDE)):
        for first, last in ranges_of(inside):
            table[first : last + 1] = flag
    for first, last in ranges_of(known.marks):
        table[first : last + 1] |= MARK
    return table


def ranges_of(inside: str) -> list[tuple[int, int]]:
    """The ranges, first and last, of the inside of a class."""
    return [(int(first, 16), int(last, 16)) for first, last in _RANGE.findall(inside)]


def _class_of(code_points: set[int]) -> str:
    ranges: list[tuple[int, int]] = []
    for i in sorted(code_points):
        if ranges and ranges[-1][1] == i - 1:
            ranges[-1] = (ranges[-1][0], i)
        else:
            ranges.append((i, i))
    return "".join(map(_range, ranges))


def _range(bounds: tuple[int, int]) -> str:
    return f"\\U{bounds[0]:08x}-\\U{bounds[1]:08x}"
