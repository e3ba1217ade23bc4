"""From units to offsets that a reader can check: spans of the pasted text and of the record. SPEC.md section 7."""

from ledger.index.calibration import point_of
from ledger.index.cover import Piece
from ledger.index.relatives import Relative
from ledger.index.rules import WORD_WEIGHT
from ledger.index.text import Text
from ledger.index.verdict import Holders, Resemblance, Span, Subtracted


def span_of(
    piece: Piece, pasted: Text, record: Text, floor: int, why: Subtracted | None, common_to: Holders | None
) -> tuple[Span, int]:
    """The span of a piece, and where it ends in the pasted text's normal form.

    The span begins and ends with its outer units, and with the punctuation on them as far as both texts have the same,
    but not before `floor`, the end of the span before it.
    """
    ours, theirs = pasted.units, record.units
    record_end = piece.record_start + piece.end - piece.start
    before = _same_before(pasted, piece.start, record, piece.record_start, floor)
    after = _same_after(pasted, piece.end, record, record_end)
    end = ours.ends[piece.end - 1] + after
    in_text = pasted.source(ours.starts[piece.start] - before, end)
    in_record = record.source(theirs.starts[piece.record_start] - before, theirs.ends[record_end - 1] + after)
    words = ours.weight(piece.start, piece.end) // WORD_WEIGHT
    return make_span(piece.record_id, pasted, in_text, in_record, words, why, common_to), end


def make_span(
    record_id: int,
    pasted: Text,
    in_text: tuple[int, int],
    in_record: tuple[int, int],
    words: int,
    why: Subtracted | None,
    common_to: Holders | None,
) -> Span:
    """A span with these half-open code-point ranges."""
    start, end = in_text
    return Span(
        record_id=record_id,
        start=start,
        end=end,
        start_utf16=pasted.utf16.of(start),
        end_utf16=pasted.utf16.of(end),
        record_start=in_record[0],
        record_end=in_record[1],
        words=words,
        subtracted=why,
        common_to=common_to,
    )


def resemblance_of(relative: Relative, pasted: Text) -> Resemblance:
    """The window and the part of the record that were compared, with what they have in common."""
    ours, theirs = pasted.units, relative.text.units
    start, end = pasted.source(ours.starts[relative.start], ours.ends[relative.end - 1])
    source = relative.text.source
    record_start, record_end = source(theirs.starts[relative.record_start], theirs.ends[relative.record_end - 1])
    needed = point_of(ours.weight(relative.start, relative.end))
    return Resemblance(
        start=start,
        end=end,
        start_utf16=pasted.utf16.of(start),
        end_utf16=pasted.utf16.of(end),
        record_start=record_start,
        record_end=record_end,
        aligned_permille=relative.aligned_permille,
        terms_permille=relative.shares.terms,
        pairs_permille=relative.shares.pairs,
        order_permille=relative.shares.order,
        score=relative.score,
        score_needed=needed.reworded,
        aligned_needed=needed.edited,
    )


def _same_before(pasted: Text, unit: int, record: Text, record_unit: int, floor: int) -> int:
    """Characters other than spaces before the two units, back to the units before them, that are the same."""
    ours, theirs = pasted.units.starts[unit], record.units.starts[record_unit]
    first = max(floor, pasted.units.ends[unit - 1] if unit else 0)
    limit = min(ours - first, theirs - (record.units.ends[record_unit - 1] if record_unit else 0))
    count = 0
    while count < limit and pasted.normal[ours - count - 1] == record.normal[theirs - count - 1] != " ":
        count += 1
    return count


def _same_after(pasted: Text, unit: int, record: Text, record_unit: int) -> int:
    """Characters other than spaces after the units before these two, up to these, that are the same."""
    ours, theirs = pasted.units.ends[unit - 1], record.units.ends[record_unit - 1]
    limit = min(_gap(pasted, unit), _gap(record, record_unit))
    count = 0
    while count < limit and pasted.normal[ours + count] == record.normal[theirs + count] != " ":
        count += 1
    return count


def _gap(text: Text, unit: int) -> int:
    """Characters between a unit and the one before it; after the last, to the end of the text if that was checked."""
    units = text.units
    if unit < len(units):
        return units.starts[unit] - units.ends[unit - 1]
    return 0 if units.truncated else len(text.normal) - units.ends[-1]
