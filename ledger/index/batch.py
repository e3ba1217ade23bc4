"""Records on their way into the index: their rows, and the columns of one segment. SPEC.md section 9."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from ledger.compiled.matching import Int64s, UInt32s, choose, count_earlier, window_ends
from ledger.index import store
from ledger.index.blocks import Columns
from ledger.index.columns import distinct, numbered
from ledger.index.echo import echo_of
from ledger.index.rules import TERM_WINDOW_WEIGHT, TERMS_PER_WINDOW
from ledger.index.segments import KEY_BITS, Kind, add_segment
from ledger.index.tables import ALL_TEXTS
from ledger.index.terms import prior_of, weights_of
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
    window_ends: Int64s  # where the terms of every 50 words end


@dataclass(slots=True)
class Batch:
    """Records that are indexed in one transaction, as one segment."""

    cursor: int  # the last record looked at, indexed or not
    rows: list[_Indexed] = field(default_factory=list)
    _texts_of_term: dict[int, int] = field(default_factory=dict)  # in how many of the records each term is
    _rarest: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))  # what they are found by
    _rarest_of: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))  # whose it is: the number of the row

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
                window_ends=window_ends(output.units.columns, len(output.terms), TERM_WINDOW_WEIGHT),
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
        windows = np.concatenate([row.window_ends + start for row, start in zip(self.rows, ends - sizes, strict=True)])
        chosen = choose(terms, weights, windows, TERMS_PER_WINDOW)
        row_of = np.arange(len(self.rows)).repeat(sizes)
        rarest = distinct(row_of[chosen] << 32 | terms[chosen])
        self._rarest, self._rarest_of = (rarest & 0xFFFFFFFF).astype(np.uint64), rarest >> 32

    def postings(self) -> int:
        return sum(len(row.fingerprints) for row in self.rows)

    def write(self, connection: Connection) -> None:
        """All rows of the records. The caller has moved the cursor in the same transaction."""
        if not self.rows:
            return
        sizes = [len(row.fingerprints) for row in self.rows]
        hashes, edges = (
            np.concatenate(columns).astype(np.uint64)
            for columns in ([row.fingerprints for row in self.rows], [row.edges for row in self.rows])
        )
        row_of = np.arange(len(self.rows)).repeat(sizes)
        places = places_of("postings", hashes, row_of, len(self.rows))
        term_places = places_of("terms", self._rarest, self._rarest_of, len(self.rows))
        rows = [
            store.RecordRow(row.record_id, row.raw_digest, row.normal_digest, row.echo_permille, *both)
            for row, *both in zip(self.rows, places, term_places, strict=True)
        ]
        store.insert_records(connection, rows)
        store.count_terms(connection, self._texts_of_term)
        first, last = self.rows[0].record_id, self.rows[-1].record_id
        ids = np.array([row.record_id for row in self.rows], np.uint64)
        columns: dict[Kind, Columns] = {
            "postings": Columns(hashes, ids[row_of], edges).sorted(),
            "terms": Columns(self._rarest, ids[self._rarest_of], np.zeros_like(self._rarest)).sorted(),
        }
        add_segment(connection, first, last, len(self.rows), columns)


def places_of(kind: Kind, keys: NDArray[np.uint64], row_of: Int64s, rows: int) -> list[bytes]:
    """For each row, the parts that its keys are in, two bytes each, for its removal. Key i is of the row row_of[i]."""
    parts = distinct(row_of << 16 | (keys >> np.uint64(KEY_BITS[kind] - 16)).astype(np.int64))
    data = (parts & 0xFFFF).astype(">u2").tobytes()
    bounds = (2 * parts.searchsorted(np.arange(rows + 1) << 16)).tolist()
    return [data[start:end] for start, end in pairwise(bounds)]
