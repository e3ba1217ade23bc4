"""The verdict on a transcript: did this model give these ids, bytes and end? (SPEC.md, "Replay")"""

from collections.abc import Iterable
from dataclasses import dataclass

from inference.output import Output
from inference.transcript import Transcript


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """`expected` is what the transcript says, `found` what this engine gives."""

    verdict: str  # "match" or "mismatch"
    tokens: int  # output ids that agree
    first_difference: int | None = None  # index into output_ids; None: every id agrees
    expected: int | None = None
    found: int | None = None  # None: the run had ended before
    reason: str | None = None  # None for a match; "token", "end", "finish" or "bytes"


def compare(transcript: Transcript, sampled: Iterable[int], output: Output) -> ReplayResult:
    """Compare a transcript with the ids that an engine samples after each of its prefixes.

    `sampled` is read only as far as the ids agree; `output` is fresh.
    """
    for index, (expected, found) in enumerate(zip(transcript.output_ids, sampled, strict=False)):
        if output.finish_reason is not None:
            return ReplayResult("mismatch", index, index, expected, None, "end")
        if expected != found:
            return ReplayResult("mismatch", index, index, expected, found, "token")
        output.push(found)
    if output.finish_reason is None:
        output.cancel()
    tokens = len(transcript.output_ids)
    if output.finish_reason != transcript.finish_reason:
        return ReplayResult("mismatch", tokens, reason="finish")
    if output.data != transcript.output_bytes:
        return ReplayResult("mismatch", tokens, reason="bytes")
    return ReplayResult("match", tokens)
