"""What ledger/compiled does for matching, slowly and in Python alone: by regular expressions, hashlib and loops."""

import re
from bisect import bisect_left
from functools import cache
from hashlib import blake2b
from zlib import crc32

from ledger.index.characters import classes
from ledger.index.rules import (
    DENSE_WEIGHT,
    SHINGLE_WEIGHT,
    TERM_WINDOW_WEIGHT,
    WIDE_WEIGHT,
    WINDOW_SHINGLES,
    WORD_WEIGHT,
)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    known = classes()
    letter, mark = rf"[^\W_{known.wide}{known.dense}]", f"[{known.marks}]"
    unit = f"{letter}+(?:{mark}+{letter}*|'{letter}+)*|[{known.wide}{known.dense}]{mark}*"
    return re.compile(unit), re.compile(f"[{known.wide}]"), re.compile(f"[{known.dense}]")


def weight_of(word: str) -> int:
    _, wide, dense = _patterns()
    return WIDE_WEIGHT if wide.match(word) else DENSE_WEIGHT if dense.match(word) else WORD_WEIGHT


def units(text: str, weight_max: int | None) -> tuple[list[tuple[int, int]], bool]:
    """(places of the units, whether more follow)."""
    places, total = [], 0
    for match in _patterns()[0].finditer(text):
        total += weight_of(match[0])
        if weight_max is not None and total > weight_max:
            return places, True
        places.append(match.span())
    return places, False


def reaches(words: list[str], weight: int) -> list[int]:
    """For each unit that has this weight from it on, where the shortest run with it ends."""
    ends = []
    for start in range(len(words)):
        end, total = start, 0
        while end < len(words) and total < weight:
            total += weight_of(words[end])
            end += 1
        if total >= weight:
            ends.append(end)
    return ends


def shingles(words: list[str]) -> tuple[list[int], list[int]]:
    """(hashes, ends)."""
    ends = reaches(words, SHINGLE_WEIGHT)
    runs = [" ".join(words[start:end]).encode() for start, end in enumerate(ends)]
    digests = [blake2b(run, digest_size=8, person=b"rail-match/1").digest() for run in runs]
    return [int.from_bytes(digest, "big", signed=True) for digest in digests], ends


def terms(words: list[str]) -> list[int]:
    runs = [" ".join(words[start:end]).encode() for start, end in enumerate(reaches(words, WORD_WEIGHT))]
    digests = [blake2b(run, digest_size=4, person=b"rail-term/1").digest() for run in runs]
    return [int.from_bytes(digest, "big") >> 1 for digest in digests]


def window_ends(words: list[str], count: int) -> list[int]:
    totals = [0]
    for word in words:
        totals.append(totals[-1] + weight_of(word))
    ends, start = [], 0
    while start < count:
        start = bisect_left(totals, totals[start] + TERM_WINDOW_WEIGHT, start, count)
        ends.append(start)
    return ends


def winnow(hashes: list[int]) -> list[int]:
    kept = set()
    for first in range(max(1, len(hashes) - WINDOW_SHINGLES + 1)) if hashes else ():
        window = hashes[first : first + WINDOW_SHINGLES]
        kept.add(first + max(i for i, value in enumerate(window) if value == min(window)))
    return sorted(kept)


def edges(words: list[str], start: int, end: int) -> int:
    found = 0
    for unit in (start - 1, start - 2, end, end + 1):
        inside = 0 <= unit < len(words)
        found = found << 4 | (crc32(words[unit].encode()) % 15 + 1 if inside else 0)
    return found


def echoed(words: list[str], prompt_words: list[str]) -> list[bool]:
    hashes, ends = shingles(words)
    known = set(shingles(prompt_words)[0])
    found = [False] * len(words)
    for start, (value, end) in enumerate(zip(hashes, ends, strict=True)):
        if value in known:
            found[start:end] = [True] * (end - start)
    return found
