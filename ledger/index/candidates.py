"""Which records to compare with the pasted text, and in what order. SPEC.md section 4."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

import numpy as np

from ledger.compiled.matching import Int64s
from ledger.index.columns import distinct
from ledger.index.rules import PLACES_PER_HASH_MAX, SHINGLE_WEIGHT, WINDOW_SHINGLES, WORD_WEIGHT
from ledger.index.segments import Postings
from ledger.index.text import Text
from ledger.index.winnow import may_be_run


def hits_by_record(pasted: Text, found: Postings, weight: int) -> dict[int, set[int]]:
    """The records that may share a run of this weight, and for each the numbers of the text's fingerprints it has."""
    records, numbers = _hits(pasted, found)
    if not len(records):
        return {}
    places = pasted.fingerprint_column[numbers]
    first_of_record = np.diff(records, prepend=records[0] - 1) != 0
    first_of_chain = first_of_record | (np.diff(places, prepend=places[0]) > WINDOW_SHINGLES)
    order = np.arange(len(records))
    lengths = order + 1 - np.maximum.accumulate(np.where(first_of_chain, order, 0))
    starts = np.flatnonzero(first_of_record)
    enough = np.maximum.reduceat(lengths, starts) >= _chain_of(weight)
    ends = np.append(starts[1:], len(records))
    return {
        int(records[start]): set(numbers[start:end].tolist())
        for start, end in zip(starts[enough].tolist(), ends[enough].tolist(), strict=True)
    }


def _hits(pasted: Text, found: Postings) -> tuple[Int64s, Int64s]:
    """(record, number of a fingerprint of the text) of all hits, in order, each once.

    Of a hash that the text has in many places, the first few are looked at.
    """
    hashes = pasted.shingles.hash_column[pasted.fingerprint_column]
    order = np.argsort(hashes, kind="stable")
    first, end = (hashes[order].searchsorted(found.hashes, side) for side in ("left", "right"))
    count, whole = len(hashes), distinct(found.records)
    hits = [np.zeros(0, np.int64)]
    for number in range(PLACES_PER_HASH_MAX):
        postings = np.flatnonzero(first + number < end)
        numbers = order[first[postings] + number]
        hit = may_be_run(pasted.edges[numbers], found.edges[postings])
        hits.append(whole.searchsorted(found.records[postings][hit]) * count + numbers[hit])
    each = distinct(np.concatenate(hits))
    return whole[each // max(1, count)], each % max(1, count)


def _chain_of(weight: int) -> int:
    """How many fingerprints a shared run of this weight shares at least, none further from the next than a window.

    The run begins so many shingles, as no unit weighs more than a word; each window of them keeps one.
    """
    return ((weight - SHINGLE_WEIGHT) // WORD_WEIGHT + 1) // WINDOW_SHINGLES


class Candidates:
    """Records by how many fingerprints they would explain that no record so far does; of equals, the earliest.

    The caller sets `explained` for fingerprints as it compares records. A record that has nothing new is put aside
    as a twin: the same text was registered more than once, or the same phrase is in many records.
    """

    def __init__(self, hits: dict[int, set[int]], fingerprints: int) -> None:
        self.explained = bytearray(fingerprints)
        self._hits = hits
        self._queue = [(-len(numbers), record_id) for record_id, numbers in hits.items()]
        self._twins: list[tuple[int, int]] = []
        heapify(self._queue)

    def __iter__(self) -> Iterator[int]:
        """Greedy cover. Gains only fall, so a stale queue entry is an upper bound: look again at the top only."""
        while self._queue:
            _, record_id = heappop(self._queue)
            gain = sum(not self.explained[number] for number in self._hits[record_id])
            if not gain:
                self._twins.append((-len(self._hits[record_id]), record_id))
            elif self._queue and (-gain, record_id) > self._queue[0]:
                heappush(self._queue, (-gain, record_id))
            else:
                yield record_id

    def twins(self) -> list[int]:
        """After the iteration: the records put aside, those with the most fingerprints first, then the earliest."""
        return [record_id for _, record_id in sorted(self._twins)]
