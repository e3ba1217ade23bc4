"""Control tokens as text: found in a rendered chat, and broken up in a message that only looks like one."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from inference.errors import ChatTemplateError

MARKS = tuple(map(chr, range(0xFDD0, 0xFDF0)))  # noncharacters: Unicode keeps them for uses like this one
CHARACTERS_MAX = 1 << 18  # of all control texts together

_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class ControlTexts:
    """Control pieces by their text. Those of a single character are not written in a chat, and are left out.

    Raises ChatTemplateError (`template_invalid`) for a vocabulary whose control texts are too many to look for.
    """

    def __init__(self, controls: Mapping[str, int]) -> None:
        self._ids = {text: id for text, id in controls.items() if len(text) > 1}
        if sum(map(len, self._ids)) > CHARACTERS_MAX:
            raise ChatTemplateError(
                "template_invalid", "the vocabulary has too many control tokens for a chat template"
            )
        self._find = _Finder(self._ids)
        # In a message upper and lower case are the same, as a template may change it.
        lower = {text.translate(_LOWER) for text in self._ids}
        self._find_lower = _Finder(lower)
        self._beginnings = {text[:size] for text in lower for size in range(1, len(text))}
        self._endings = {text[size:] for text in lower for size in range(1, len(text))}
        self._longest = max(map(len, lower), default=0)
        self._all = "\0".join(lower)

    def split(self, rendered: str) -> list[str | int]:
        """Texts and the ids between them, in order; of control tokens at one place the longest."""
        parts: list[str | int] = []
        end = 0
        for start, size in self._find(rendered):
            if start >= end:
                parts += [rendered[end:start], self._ids[rendered[start : start + size]]]
                end = start + size
        return [*parts, rendered[end:]]

    def broken(self, text: str, mark: str) -> str:
        """A text with a mark inside each control text that it holds, or could be a part of with what is around it."""
        lower = text.translate(_LOWER)
        places = {start + 1 for start, _ in self._find_lower(lower)}
        # A control text that begins outside and ends in the text, or the other way round: a mark inside our part.
        near = range(1, min(len(lower), self._longest) + 1)
        places |= {size - 1 for size in near if lower[:size] in self._endings}
        places |= {len(lower) - size + 1 for size in near if lower[len(lower) - size :] in self._beginnings}
        if 0 < len(lower) < self._longest and lower in self._all:
            places.add(1)
        cuts = [0, *sorted(places), len(text)]
        return mark.join(text[start:end] for start, end in pairwise(cuts))


class _Finder:
    """Places and sizes of the known texts in a text: at each place where one begins, the longest."""

    def __init__(self, texts: Mapping[str, int] | set[str]) -> None:
        self._texts = frozenset(texts)
        self._sizes = sorted({len(text) for text in texts}, reverse=True)
        seconds: dict[str, str] = {}
        for pair in sorted({text[:2] for text in texts}):
            seconds[pair[0]] = seconds.get(pair[0], "") + re.escape(pair[1])
        # The first character of each, where its second follows.
        rules = (f"{re.escape(first)}(?=[{rest}])" for first, rest in seconds.items())
        self._first = re.compile("|".join(rules) or "(?!)")

    def __call__(self, text: str) -> Iterator[tuple[int, int]]:
        for match in self._first.finditer(text):
            start = match.start()
            size = next((size for size in self._sizes if text[start : start + size] in self._texts), 0)
            if size:
                yield start, size
