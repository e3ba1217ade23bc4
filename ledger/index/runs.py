"""Maximal common runs of two sequences of units, exactly and in linear time, by a suffix automaton. SPEC.md section 4.

The automaton of the pasted text is built once and each record is read through it once: repetitive texts, which small
models like to write, cost no more than others.

Blumer et al., The smallest automaton recognizing the subwords of a text, 1985.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Run(NamedTuple):
    """Units start <= i < end of the pasted text, which stand in the record from its unit record_start on."""

    start: int
    end: int
    record_start: int


def needed(runs: Sequence[Run]) -> list[Run]:
    """The fewest of these runs, sorted by start, that have all their units, and the longest run.

    A repetitive text has a maximal run from nearly every unit on; all but a few say nothing new.
    """
    kept: list[Run] = []
    reached = 0
    for number, run in enumerate(runs, 1):
        last = number == len(runs) or runs[number].start > reached  # no later run joins on without a gap
        if last and run.end > reached:
            kept.append(run)
            reached = run.end
    longest = max(runs, key=lambda run: run.end - run.start, default=None)
    return kept if longest is None or longest in kept else sorted([*kept, longest])


class Automaton:
    """All contiguous runs of one text's units. At most 2 states and 3 transitions a unit."""

    __slots__ = ("_ascending", "_lengths", "_links", "_next", "_prefixes")

    def __init__(self, words: Sequence[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._links = [-1]  # the state of the longest suffix that is another state's
        self._lengths = [0]  # of the longest run of the state
        self._prefixes = [0]  # the state of each prefix of the text
        for word in words:
            self._prefixes.append(self._append(self._prefixes[-1], word))
        self._ascending = sorted(range(1, len(self._lengths)), key=self._lengths.__getitem__)

    def __len__(self) -> int:
        """States: each call of `runs` costs about as many steps, and one for each unit of the record."""
        return len(self._lengths)

    def _append(self, last: int, word: str) -> int:
        """Adds one unit after the prefix of state `last`; returns the state of the longer prefix."""
        state = self._add({}, 0, self._lengths[last] + 1)
        while last >= 0 and word not in self._next[last]:
            self._next[last][word] = state
            last = self._links[last]
        if last < 0:
            return state
        target = self._next[last][word]
        if self._lengths[target] == self._lengths[last] + 1:
            self._links[state] = target
            return state
        # Some runs of `target` now end in two places, the longer ones do not: they part.
        clone = self._add(dict(self._next[target]), self._links[target], self._lengths[last] + 1)
        while last >= 0 and self._next[last].get(word) == target:
            self._next[last][word] = clone
            last = self._links[last]
        self._links[target] = self._links[state] = clone
        return state

    def _add(self, transitions: dict[str, int], link: int, length: int) -> int:
        self._next.append(transitions)
        self._links.append(link)
        self._lengths.append(length)
        return len(self._lengths) - 1

    def runs(self, record: Sequence[str]) -> list[Run]:
        """The runs of the text that stand in the record and cannot be extended, by start; each once.

        Where a run stands several times in the record, record_start is one of them.
        """
        matched, ends = self._longest_matches(record)
        found = []
        for end in range(1, len(self._prefixes)):
            state = self._prefixes[end]
            length = matched[state]
            extended = end + 1 < len(self._prefixes) and matched[self._prefixes[end + 1]] == length + 1
            if length and not extended:
                found.append(Run(end - length, end, ends[state] - length))
        return found

    def _longest_matches(self, record: Sequence[str]) -> tuple[list[int], list[int]]:
        """For each state, the length of its longest suffix that stands in the record, and where that ends there."""
        matched, ends = self._read(record)
        links, lengths = self._links, self._lengths
        for state in reversed(self._ascending):  # what stands there with more before it stands there without
            link = links[state]
            if matched[state] and matched[link] < lengths[link]:
                matched[link], ends[link] = lengths[link], ends[state]
        for state in self._ascending:  # and a state that does not has its longest suffix that does
            if not matched[state]:
                matched[state], ends[state] = matched[links[state]], ends[links[state]]
        return matched, ends

    def _read(self, record: Sequence[str]) -> tuple[list[int], list[int]]:
        """For each state that the record passes through, the longest run it had there and where that ended."""
        following, links, lengths = self._next, self._links, self._lengths
        matched = [0] * len(lengths)
        ends = [0] * len(lengths)
        state = length = 0
        for end, word in enumerate(record, 1):
            while state and word not in following[state]:
                state = links[state]
                length = lengths[state]
            if word in following[state]:
                state = following[state][word]
                length += 1
                if length > matched[state]:
                    matched[state], ends[state] = length, end
        return matched, ends
