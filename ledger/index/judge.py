"""From evidence to a verdict. SPEC.md section 6."""

from collections.abc import Mapping
from typing import Final, Literal

from ledger.index.evidence import Evidence
from ledger.index.rules import CHECKED_WEIGHT_MAX, RUN_WEIGHT_MIN, WIDE_WEIGHT, WORD_WEIGHT
from ledger.index.text import Text
from ledger.index.verdict import Layer, RecordMatch, Span, Verdict, VerdictName

ReasonCode = Literal["empty", "too_long", "invisible", "too_short", "truncated", "search_capped", "index_incomplete"]

_LAYERS: Final[tuple[Layer, ...]] = ("raw", "normalised", "excerpt")  # strongest first


def unchecked(text: str, code: ReasonCode, reason: str) -> Verdict:
    """No answer, and why."""
    return Verdict(
        verdict="unchecked",
        layer=None,
        reason=reason,
        reason_code=code,
        text_chars=len(text),
        text_words=0,
        checked_chars=0,
        truncated=False,
        search_capped=False,
        matched_permille=0,
        longest_run_words=0,
        indexed_through=-1,
        spans=(),
        records=(),
    )


def too_short(pasted: Text) -> Verdict | None:
    """The refusal of a text that is too short to tell anything, or None if it is long enough."""
    text, words = pasted.original, pasted.units.totals[-1] // WORD_WEIGHT
    least, characters = RUN_WEIGHT_MIN // WORD_WEIGHT, RUN_WEIGHT_MIN // WIDE_WEIGHT
    if not text:
        return unchecked(text, "empty", "there is no text to check")
    if not pasted.normal:
        reason = "the text holds only spaces and invisible characters"
        return unchecked(text, "invisible", reason)
    if pasted.units.totals[-1] < RUN_WEIGHT_MIN:
        reason = (
            f"the text has {words} word{'' if words == 1 else 's'}; fewer than {least} (or {characters} Chinese or "
            "Japanese characters) occur by chance, so they show nothing; paste more of it"
        )
        return unchecked(text, "too_short", reason)
    return None


def judge(evidence: Evidence, exact: bool, echoes: Mapping[int, int], indexed_through: int) -> Verdict:
    """The verdict on a text that is a whole output (`exact`), or that was searched for excerpts of outputs.

    What prompts contained is subtracted: a text that wholly stood in the prompts is no output of these runs. Nothing
    found in a part of the text, or among a part of the candidates, is no answer about the whole: `unchecked`.
    """
    pasted, spans = evidence.pasted, _spans(evidence, exact)
    shown = {span.record_id for span in spans}
    matches = sorted(
        (match for match in evidence.matches if exact or match.kept or match.record_id in shown),
        key=lambda match: (_LAYERS.index(match.layer), -evidence.own_weight(match), match.record_id),
    )
    found = any(match.kept for match in matches)
    name: VerdictName = "none" if not found else "exact" if exact else "excerpt"
    total = pasted.units.totals[-1]
    records = tuple(
        RecordMatch(
            record_id=match.record_id,
            layer=match.layer,
            matched_permille=evidence.own_weight(match) * 1000 // total,
            longest_run_words=evidence.longest_weight(match) // WORD_WEIGHT,
            echo_permille=echoes.get(match.record_id, 0),
        )
        for match in matches
    )
    truncated = pasted.units.truncated and not exact
    code, reason = _partial(truncated, evidence.capped) if not found else (None, None)
    return Verdict(
        verdict=name if code is None else "unchecked",
        layer=matches[0].layer if found else None,
        reason=reason,
        reason_code=code,
        text_chars=len(pasted.original),
        text_words=total // WORD_WEIGHT,
        checked_chars=pasted.trace.source(0, pasted.units.ends[-1])[1] if truncated else len(pasted.original),
        truncated=truncated,
        search_capped=evidence.capped,
        matched_permille=evidence.matched_weight() * 1000 // total,
        longest_run_words=max((record.longest_run_words for record in records), default=0),
        indexed_through=indexed_through,
        spans=tuple(spans),
        records=records,
    )


def _partial(truncated: bool, capped: bool) -> tuple[ReasonCode | None, str | None]:
    """Why finding nothing is no answer, or (None, None) if it is one."""
    if truncated:
        words = CHECKED_WEIGHT_MAX // WORD_WEIGHT
        return (
            "truncated",
            f"nothing was found in the first {words:,} words, the rest was not looked at; check it in parts",
        )
    if capped:
        return "search_capped", "too many records share phrases with the text to compare it with all; check it in parts"
    return None, None


def _spans(evidence: Evidence, exact: bool) -> list[Span]:
    whole = (match for match in evidence.matches if not match.subtracted) if exact else iter(())
    first = min(whole, key=lambda match: (_LAYERS.index(match.layer), match.record_id), default=None)
    return evidence.spans() if first is None else [evidence.whole_span(first)]
