"""Records on their way into the index: their rows, and the columns of one segment. SPEC.md section 9."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ledger.compiled.matching import UInt32s, choose, count_earlier
from ledger.index import store
from ledger.index.blocks import Columns
from ledger.index.echo import echo_of
from ledger.index.rules import TERMS_PER_WINDOW
from ledger.index.segments import KEY_BITS, Kind, add_segment
from ledger.index.tables import ALL_TEXTS
from ledger.index.terms import prior_of, weights_of, window_ends
from ledger.index.text import Text


@dataclass(slots=True)
class _Indexed:
    """What is left of a record's texts once they were cut."""

    record_id: int
    raw_digest: int
    normal_digest: int
    echo_permille: int
    fingerprints: NDArray[np.uint64]
    edges: NDArray[np.uint16]  # of each
    terms: UInt32s
    window_ends: list[int]  # where the terms of every 50 words end
    rarest: UInt32s = field(default_factory=lambda: np.zeros(0, np.uint32))


@dataclass(slots=True)
class Batch:
    """Records that are indexed in one transaction, as one segment."""

    cursor: int  # the last record looked at, indexed or not
    rows: list[_Indexed] = field(default_factory=list)
    _texts_of_term: dict[int, int] = field(default_factory=dict)  # in how many of the records each term is

    def add(self, record_id: int, output: Text, prompt: Text) -> None:
        """A record; numbers ascend."""
        self.rows.append(
            _Indexed(
                record_id=record_id,
                raw_digest=output.raw_digest,
                normal_digest=output.normal_digest,
                echo_permille=echo_of(output, prompt),
                fingerprints=output.shingles.hash_column[output.fingerprint_column].view(np.uint64),
                edges=output.edges,
                terms=output.terms,
                window_ends=window_ends(output.units, len(output.terms)),
            )
        )

    def choose_terms(self, texts_of: Callable[[list[int]], Mapping[int, int]]) -> None:
        """What each record is found by: the rarest of every 50 words, rare by the texts before it.

        `texts_of` tells in how many earlier texts each of some terms is.
        """
        if not self.rows:
            return
        sizes = np.array([len(row.terms) for row in self.rows])
        ends = np.cumsum(sizes)
        terms = np.concatenate([row.terms for row in self.rows])
        different, slots = numbered(terms)
        known = texts_of([ALL_TEXTS, *different.tolist()])
        before = np.array([known.get(term, 0) for term in different.tolist()], np.int64)
        after = before.copy()
        earlier = count_earlier(slots, ends, after)
        self._texts_of_term = dict(zip(different.tolist(), (after - before).tolist(), strict=True))
        self._texts_of_term[ALL_TEXTS] = len(self.rows)
        texts = known.get(ALL_TEXTS, 0) + np.arange(len(self.rows)).repeat(sizes)
        weights = weights_of(earlier + prior_of(different)[slots], texts)
        windows = [
            end + start
            for row, start in zip(self.rows, (ends - sizes).tolist(), strict=True)
            for end in row.window_ends
        ]
        chosen = choose(terms, weights, np.array(windows), TERMS_PER_WINDOW)
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen)])
        rarest = terms[chosen]
        for row, start, end in zip(self.rows, bounds[ends - sizes].tolist(), bounds[ends].tolist(), strict=True):
            row.rarest = np.unique(rarest[start:end])

    def postings(self) -> int:
        return sum(len(row.fingerprints) for row in self.rows)

    def write(self, connection: Connection) -> None:
        """All rows of the records. The caller has moved the cursor in the same transaction."""
        if not self.rows:
            return
        rows = [
            store.RecordRow(
                row.record_id,
                row.raw_digest,
                row.normal_digest,
                row.echo_permille,
                places_of("postings", row.fingerprints),
                places_of("terms", row.rarest),
            )
            for row in self.rows
        ]
        store.insert_records(connection, rows)
        store.count_terms(connection, self._texts_of_term)
        first, last = self.rows[0].record_id, self.rows[-1].record_id
        add_segment(connection, first, last, len(self.rows), self._columns())

    def _columns(self) -> dict[Kind, Columns]:
        ids = np.array([row.record_id for row in self.rows], dtype=np.uint64)
        hashes = np.concatenate([row.fingerprints for row in self.rows])
        edges = np.concatenate([row.edges for row in self.rows]).astype(np.uint64)
        terms = np.concatenate([row.rarest for row in self.rows]).astype(np.uint64)
        return {
            "postings": Columns(hashes, ids.repeat([len(row.fingerprints) for row in self.rows]), edges).sorted(),
            "terms": Columns(terms, ids.repeat([len(row.rarest) for row in self.rows]), np.zeros_like(terms)).sorted(),
        }


def numbered(terms: UInt32s) -> tuple[UInt32s, NDArray[np.int32]]:
    """The different ones of fewer than 2^32 terms, sorted, and the place of each term among them."""
    order = np.sort(terms.astype(np.uint64) << np.uint64(32) | np.arange(len(terms), dtype=np.uint64))
    ascending = (order >> np.uint64(32)).astype(np.uint32)
    new = np.ones(len(terms), bool)
    new[1:] = ascending[1:] != ascending[:-1]
    places = np.empty(len(terms), np.int32)
    places[order & np.uint64(0xFFFFFFFF)] = np.cumsum(new) - 1
    return ascending[new], places


def places_of(kind: Kind, keys: NDArray[np.uint64] | UInt32s) -> bytes:
    """The parts that a record's keys are in, two bytes each, for its removal."""
    return np.unique(keys >> keys.dtype.type(KEY_BITS[kind] - 16)).astype(">u2").tobytes()
