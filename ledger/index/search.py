"""The layers of one check: which records hold the pasted text or runs of it. No database. SPEC.md sections 4 and 7."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ledger.index.candidates import Candidates, hits_by_record
from ledger.index.columns import distinct
from ledger.index.common import Common
from ledger.index.cover import Piece, split_run
from ledger.index.echo import echoed_units
from ledger.index.evidence import Evidence, Match
from ledger.index.excerpt import Shared, evidence_weight
from ledger.index.loading import Load
from ledger.index.rules import (
    CANDIDATES_MAX,
    RUN_WEIGHT_MIN,
    TWIN_RECORDS_MAX,
    WORK_MAX,
)
from ledger.index.runs import Run, needed
from ledger.index.segments import Postings
from ledger.index.terms import Weigh
from ledger.index.text import Text
from ledger.index.verdict import Layer


def find_exact(pasted: Text, record_ids: Sequence[int], load: Load) -> Evidence:
    """The records among these whose output is the pasted text, as it is or in normal form."""
    evidence = Evidence(pasted)
    for record_id, output in zip(record_ids, load(record_ids), strict=True):
        if output is None:
            continue
        record = Text(output.output_text)
        if record.original == pasted.original:
            layer: Layer = "raw"
        elif record.plain == pasted.plain:
            layer = "normalised"
        elif record.normal == pasted.normal:
            layer = "folded"
        else:
            continue  # 64 bits of the digest agree by chance or by design; the texts do not
        run = Run(0, len(pasted.units), 0)
        kept, subtracted = split_run(record_id, run, echoed_units(pasted, Text(output.prompt_text)))
        evidence.matches.append(Match(record_id, layer, record, kept, subtracted))
    return evidence


def find_excerpts(pasted: Text, found: Postings, load: Load, common: Common, weigher: Callable[[], Weigh]) -> Evidence:
    """Runs of RUN_WEIGHT_MIN or more that records share with the text, given the postings of its fingerprints.

    `common` are the hashes that many hold; `weigher` is asked only where it matters.
    """
    evidence = Evidence(pasted, common=common)
    hits = hits_by_record(pasted, found, evidence_weight(pasted))
    candidates = Candidates(hits, len(pasted.fingerprints))
    budget = _Budget()
    for record_id in candidates:
        if not budget.allows():
            evidence.capped = True
            return evidence
        match = _compare(pasted, record_id, load, budget, common, weigher)
        if match is not None:
            evidence.matches.append(match)
            _mark_explained(candidates.explained, pasted, match)
    for record_id in candidates.twins():
        if len(evidence.matches) >= TWIN_RECORDS_MAX or not budget.allows():
            break
        match = _compare(pasted, record_id, load, budget, common, weigher)
        if match is not None:
            evidence.matches.append(match)
    return evidence


def shingled_records(found: Postings) -> list[int]:
    """Records by how many of the text's fingerprints they have, most first, of equals the earliest."""
    records, record_of = np.unique(found.records, return_inverse=True)
    hashes, hash_of = np.unique(found.hashes, return_inverse=True)
    different = distinct(record_of * len(hashes) + hash_of)
    counts = np.bincount(different // max(1, len(hashes)), minlength=len(records))
    return records[np.argsort(-counts, kind="stable")].tolist()


@dataclass(slots=True)
class _Budget:
    """Bounds the work of one check."""

    records: int = 0
    work: int = 0

    def allows(self) -> bool:
        return self.records < CANDIDATES_MAX and self.work < WORK_MAX


def _compare(
    pasted: Text, record_id: int, load: Load, budget: _Budget, common: Common, weigher: Callable[[], Weigh]
) -> Match | None:
    """The record's runs, less what its prompt contained, if one of them is long enough to be evidence.

    Where the prompt takes a part of a run, a rest of fewer than 8 words is left out.
    """
    [output] = load([record_id])
    budget.records += 1
    if output is None:
        return None
    budget.work += len(output.output_text) + len(output.prompt_text) + len(pasted.automaton)
    record = Text(output.output_text)
    found = pasted.automaton.runs(record.units.words)
    runs = needed([run for run in found if _weight(pasted, run) >= RUN_WEIGHT_MIN])
    least = evidence_weight(pasted)
    if all(_weight(pasted, run) < least for run in runs):
        return None
    prompt = Text(output.prompt_text)
    echoed = echoed_units(pasted, prompt)
    match = Match(record_id, "excerpt", record, [], [])
    for run in runs:
        kept, subtracted = split_run(record_id, run, echoed)
        for piece in kept:
            if _weight(pasted, piece) >= RUN_WEIGHT_MIN:
                (match.common if common.subtracts(pasted, piece) else match.kept).append(piece)
        match.subtracted.extend(subtracted)
    if not Shared(pasted, record, prompt, runs, match.kept).is_excerpt(weigher):
        match.kept.clear()
    return match


def _weight(pasted: Text, part: Run | Piece) -> int:
    return pasted.units.weight(part.start, part.end)


def _mark_explained(explained: bytearray, pasted: Text, match: Match) -> None:
    """Fingerprints inside the record's pieces that count need no other record."""
    starts, ends = pasted.fingerprints, pasted.shingles.ends
    for piece in match.kept:
        for number in range(bisect_left(starts, piece.start), len(starts)):
            if ends[starts[number]] > piece.end:
                break
            explained[number] = 1
