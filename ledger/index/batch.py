"""Records on their way into the index: their rows, and the columns of one segment. SPEC.md section 9."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from ledger.index import store
from ledger.index.blocks import Columns
from ledger.index.echo import echo_of
from ledger.index.segments import Kind, add_segment, part_of
from ledger.index.tables import ALL_TEXTS
from ledger.index.terms import rarest_terms, weigher, windows_of
from ledger.index.text import Text

_MASK = (1 << 64) - 1


@dataclass(slots=True)
class _Indexed:
    """What is left of a record's texts once they were cut."""

    record_id: int
    raw_digest: int
    normal_digest: int
    echo_permille: int
    fingerprints: list[int]  # without sign
    edges: list[int]  # of each
    windows: list[set[int]]  # terms of every 50 words
    rarest: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Batch:
    """Records that are indexed in one transaction, as one segment."""

    cursor: int  # the last record looked at, indexed or not
    rows: list[_Indexed] = field(default_factory=list)
    _texts_of_term: Counter[int] = field(default_factory=Counter)  # in how many of the records each term is

    def add(self, record_id: int, output: Text, prompt: Text) -> None:
        """A record; numbers ascend."""
        shingles = output.shingles
        self.rows.append(
            _Indexed(
                record_id=record_id,
                raw_digest=output.raw_digest,
                normal_digest=output.normal_digest,
                echo_permille=echo_of(output, prompt),
                fingerprints=[shingles.hashes[i] & _MASK for i in output.fingerprints],
                edges=output.edges,
                windows=windows_of(output.units, output.terms),
            )
        )
        self._texts_of_term.update({ALL_TEXTS, *output.terms})

    def terms(self) -> Iterable[int]:
        return self._texts_of_term

    def choose_terms(self, texts: dict[int, int]) -> None:
        """What each record is found by, given in how many earlier texts each term is; counts these texts too."""
        for row in self.rows:
            row.rarest = rarest_terms(row.windows, weigher(texts, texts.get(ALL_TEXTS, 0)))
            for term in {ALL_TEXTS}.union(*row.windows):
                texts[term] = texts.get(term, 0) + 1

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
        hashes = np.array([value for row in self.rows for value in row.fingerprints], dtype=np.uint64)
        edges = np.array([value for row in self.rows for value in row.edges], dtype=np.uint64)
        terms = np.array([term for row in self.rows for term in row.rarest], dtype=np.uint64)
        return {
            "postings": Columns(hashes, ids.repeat([len(row.fingerprints) for row in self.rows]), edges).sorted(),
            "terms": Columns(terms, ids.repeat([len(row.rarest) for row in self.rows]), np.zeros_like(terms)).sorted(),
        }


def places_of(kind: Kind, keys: Iterable[int]) -> bytes:
    """The parts that a record's keys are in, two bytes each, for its removal."""
    return b"".join(part.to_bytes(2, "big") for part in sorted({part_of(kind, key) for key in keys}))
