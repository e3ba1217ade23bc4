"""Which records to compare with the pasted text, and in what order. SPEC.md section 4."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

from ledger.index.rules import PLACES_PER_HASH_MAX, SHINGLE_WEIGHT, WINDOW_SHINGLES, WORD_WEIGHT
from ledger.index.segments import Posting
from ledger.index.text import Text
from ledger.index.winnow import may_be_run


def hits_by_record(pasted: Text, found: Iterable[Posting], weight: int) -> dict[int, set[int]]:
    """The records that may share a run of this weight, and for each the numbers of the text's fingerprints it has."""
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)  # hash to (fingerprint number, edges)
    for number, start in enumerate(pasted.fingerprints):
        known = places[pasted.shingles.hashes[start]]
        if len(known) < PLACES_PER_HASH_MAX:
            known.append((number, pasted.edges[number]))
    hits: dict[int, set[int]] = defaultdict(set)
    for posting in found:
        for number, edges in places[posting.hash]:
            if may_be_run(edges, posting.edges):
                hits[posting.record_id].add(number)
    chain = _chain_of(weight)
    return {record_id: numbers for record_id, numbers in hits.items() if _longest_chain(pasted, numbers) >= chain}


def _chain_of(weight: int) -> int:
    """How many fingerprints a shared run of this weight shares at least, none further from the next than a window.

    The run begins so many shingles, as no unit weighs more than a word; each window of them keeps one.
    """
    return ((weight - SHINGLE_WEIGHT) // WORD_WEIGHT + 1) // WINDOW_SHINGLES


def _longest_chain(pasted: Text, numbers: set[int]) -> int:
    longest = length = 0
    last = -WINDOW_SHINGLES - 1
    for place in sorted(pasted.fingerprints[number] for number in numbers):
        length = length + 1 if place - last <= WINDOW_SHINGLES else 1
        longest = max(longest, length)
        last = place
    return longest


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
