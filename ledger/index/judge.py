"""From evidence to a verdict. SPEC.md section 8."""

from collections.abc import Mapping
from typing import Final, Literal

from ledger.index.calibration import calibration_of
from ledger.index.evidence import Evidence, Match
from ledger.index.rules import CHECKED_WEIGHT_MAX, RUN_WEIGHT_MIN, WIDE_WEIGHT, WORD_WEIGHT
from ledger.index.spans import resemblance_of
from ledger.index.text import Text
from ledger.index.verdict import Layer, RecordMatch, Span, Verdict, VerdictName

ReasonCode = Literal["empty", "too_long", "invisible", "too_short", "truncated", "search_capped", "index_incomplete"]

_LAYERS: Final[tuple[Layer, ...]] = ("raw", "normalised", "folded", "excerpt", "edited", "reworded")  # strongest first
_NAMES: Final[dict[Layer, VerdictName]] = {
    "raw": "exact",
    "normalised": "exact",
    "folded": "exact",
    "excerpt": "excerpt",
    "edited": "edited",
    "reworded": "reworded",
}


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
        compared_chars=0,
        truncated=False,
        search_capped=False,
        matched_permille=0,
        longest_run_words=0,
        indexed_through=-1,
        spans=(),
        records=(),
        calibration=None,
    )


def too_short(pasted: Text) -> Verdict | None:
    """The refusal of a text that is too short to tell anything, or None if it is long enough."""
    text, words = pasted.original, pasted.units.total // WORD_WEIGHT
    least, characters = RUN_WEIGHT_MIN // WORD_WEIGHT, RUN_WEIGHT_MIN // WIDE_WEIGHT
    if not text:
        return unchecked(text, "empty", "there is no text to check")
    if not pasted.normal:
        reason = "the text holds only spaces and invisible characters"
        return unchecked(text, "invisible", reason)
    if pasted.units.total < RUN_WEIGHT_MIN:
        reason = (
            f"the text has {words} word{'' if words == 1 else 's'}; fewer than {least} (or {characters} Chinese or "
            "Japanese characters) occur by chance, so they show nothing; paste more of it"
        )
        return unchecked(text, "too_short", reason)
    return None


def judge(evidence: Evidence, echoes: Mapping[int, int], indexed_through: int) -> Verdict:
    """The verdict on a text that is a whole output, or that was searched for excerpts and copies of outputs.

    What prompts contained is subtracted: a text that wholly stood in the prompts is no output of these runs. Nothing
    found in a part of the text, or among a part of the candidates, is no answer about the whole: `unchecked`.
    """
    exact = any(_NAMES[match.layer] == "exact" for match in evidence.matches)
    pasted, spans = evidence.pasted, _spans(evidence, exact)
    shown = {span.record_id for span in spans}
    matches = sorted(
        (match for match in evidence.matches if exact or match.found or match.record_id in shown),
        key=lambda match: (not match.found, _LAYERS.index(match.layer), -_strength(evidence, match), match.record_id),
    )
    found = evidence.found
    total = pasted.units.total
    records = tuple(
        RecordMatch(
            record_id=match.record_id,
            layer=match.layer,
            matched_permille=evidence.own_weight(match) * 1000 // total,
            longest_run_words=evidence.longest_weight(match) // WORD_WEIGHT,
            echo_permille=echoes.get(match.record_id, 0),
            resemblance=None if match.relative is None else resemblance_of(match.relative, pasted),
        )
        for match in matches
    )
    truncated = pasted.units.truncated and not exact
    code, reason = _partial(truncated, evidence.capped) if not found else (None, None)
    layer = matches[0].layer if found else None
    return Verdict(
        verdict="unchecked" if code is not None else "none" if layer is None else _NAMES[layer],
        layer=layer,
        reason=reason,
        reason_code=code,
        text_chars=len(pasted.original),
        text_words=total // WORD_WEIGHT,
        checked_chars=pasted.source(0, pasted.units.ends[-1])[1] if truncated else len(pasted.original),
        compared_chars=pasted.source(0, pasted.units.ends[evidence.compared_units - 1])[1]
        if evidence.compared_units
        else 0,
        truncated=truncated,
        search_capped=evidence.capped,
        matched_permille=evidence.matched_weight() * 1000 // total,
        longest_run_words=max((record.longest_run_words for record in records), default=0),
        indexed_through=indexed_through,
        spans=tuple(spans),
        records=records,
        calibration=calibration_of(layer),
    )


def _strength(evidence: Evidence, match: Match) -> int:
    """Of two matches of one layer, the greater goes first."""
    if match.layer == "reworded" and match.relative is not None:
        return match.relative.score
    return evidence.own_weight(match)


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
