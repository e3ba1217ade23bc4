"""Edited and reworded copies: found with their alignment, and not found where there is only a common topic."""

import os
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from index_samples import Record, Source, check_spans, made_up, prose, source_of

from ledger.index import ContentIndex, Verdict
from ledger.index.calibration import POINTS, point_of
from ledger.index.resemblance import Window
from ledger.index.rules import WORD_WEIGHT
from ledger.index.terms import terms_of, weigher
from ledger.index.units import units_of

Indexed = Callable[[Source], ContentIndex]

CORPORA = Path(os.environ.get("RAIL_SHARED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")) / "corpora"


def edited(text: str, every: int, seed: int = 9) -> str:
    """Every so many words another one: no run is longer than `every` less one."""
    words = text.split()
    words[::every] = made_up(seed, len(words[::every]))
    return " ".join(words)


def shuffled_near(text: str, seed: int = 4) -> str:
    """Each two neighbours swapped: the same words, hardly a run."""
    words = text.split()
    for i in range(0, len(words) - 1, 2):
        words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def verify(indexed: Indexed, source: Source, text: str) -> Verdict:
    verdict = indexed(source).verify(text, source)
    check_spans(verdict, text, source)
    return verdict


def test_edited_copy_has_its_alignment(indexed: Indexed) -> None:
    source = source_of(*(prose(number, 120) for number in range(20)))
    text = edited(source.records[7].output_text, 8)
    verdict = verify(indexed, source, text)
    assert (verdict.verdict, verdict.layer) == ("edited", "edited")
    (match,) = verdict.records
    assert match.record_id == 7 and match.resemblance is not None
    assert (match.resemblance.start, match.resemblance.end) == (0, len(text.rstrip(".")))
    assert match.resemblance.aligned_permille >= 800 > match.resemblance.aligned_needed
    assert verdict.matched_permille >= 800
    assert {span.words for span in verdict.spans} == {7}
    assert verdict.calibration is not None and "N3" in verdict.calibration.negatives


def test_reworded_copy_is_the_weaker_claim_without_spans(indexed: Indexed) -> None:
    source = source_of(*(prose(number, 120) for number in range(20)))
    verdict = verify(indexed, source, edited(shuffled_near(source.records[3].output_text), 3))
    assert (verdict.verdict, verdict.spans, verdict.matched_permille) == ("reworded", (), 0)
    (match,) = verdict.records
    assert match.record_id == 3 and match.resemblance is not None
    assert match.resemblance.score >= match.resemblance.score_needed
    assert verdict.calibration is not None and "N1" in verdict.calibration.negatives


def test_edited_passage_in_a_long_text(indexed: Indexed) -> None:
    """Only a window of the text is the copy: it is found, and named."""
    source = source_of(*(prose(number, 220) for number in range(15)))
    before, after = prose(100, 500), prose(101, 500)
    passage = edited(source.records[5].output_text, 8)
    verdict = verify(indexed, source, f"{before} {passage} {after}")
    assert (verdict.verdict, [match.record_id for match in verdict.records]) == ("edited", [5])
    resemblance = verdict.records[0].resemblance
    assert resemblance is not None
    assert resemblance.start < len(before) + len(passage) and resemblance.end > len(before)
    assert all(len(before) <= span.start and span.end <= len(before) + len(passage) + 1 for span in verdict.spans)


def test_excerpt_of_an_edited_copy_in_a_long_record(indexed: Indexed) -> None:
    source = source_of(prose(1, 3000), *(prose(number, 100) for number in range(2, 14)))
    words = source.records[0].output_text.split()
    verdict = verify(indexed, source, edited(" ".join(words[1500:1600]), 8))
    assert (verdict.verdict, verdict.records[0].record_id) == ("edited", 0)


def test_what_the_prompt_contained_is_no_copy(indexed: Indexed) -> None:
    text = prose(1, 120)
    source = Source({0: Record(edited(text, 8), text), **{i: Record(prose(i, 100)) for i in range(2, 14)}})
    assert verify(indexed, source, text).verdict == "none"
    assert verify(indexed, source, edited(text, 7, seed=5)).verdict == "none"


def test_common_words_alone_are_no_copy(indexed: Indexed) -> None:
    """Texts of one small vocabulary, in other orders."""
    rng = random.Random(1)
    words = made_up(1, 150)
    source = source_of(*(" ".join(rng.choices(words, k=120)) for _ in range(40)))
    assert verify(indexed, source, " ".join(rng.choices(words, k=120))).verdict == "none"


def test_short_texts_get_no_weak_claim(indexed: Indexed) -> None:
    source = source_of(*(prose(number, 120) for number in range(20)))
    words = shuffled_near(source.records[3].output_text).split()
    assert verify(indexed, source, " ".join(words[:49])).verdict == "none"
    assert verify(indexed, source, " ".join(words[:60])).verdict == "reworded"


def test_erased_record_has_no_relatives(indexed: Indexed) -> None:
    source = source_of(*(prose(number, 120) for number in range(20)))
    index = indexed(source)
    text = edited(source.records[7].output_text, 8)
    erased = source.records.pop(7)
    assert index.verify(text, source).verdict == "none"  # its content is gone, its rows are not yet
    source.records[7] = erased
    index.remove(7)
    assert index.verify(text, source).verdict == "none"


@pytest.mark.parametrize("script", ["zh", "ja"])
def test_ten_percent_of_the_characters_of_a_book_edited(indexed: Indexed, script: str) -> None:
    name = {"zh": "other/zh_xiyouji.txt", "ja": "other/ja_neko.txt"}[script]
    if not (CORPORA / name).exists():
        pytest.skip(f"no corpora at {CORPORA} (set RAIL_SHARED_DATA)")
    text = (CORPORA / name).read_text(encoding="utf-8")[50_000:110_000]
    parts = [text[i : i + 400] for i in range(0, len(text), 400)]
    source, rng = source_of(*parts), random.Random(2)
    index = indexed(source)
    for number in range(0, len(parts), 15):
        changed = "".join(rng.choice(text) if rng.random() < 0.1 else c for c in parts[number])
        verdict = index.verify(changed, source)
        check_spans(verdict, changed, source)
        assert verdict.verdict in ("excerpt", "edited")
        assert verdict.records[0].record_id == number
    absent = (CORPORA / name).read_text(encoding="utf-8")[200_000:220_000]
    found = [index.verify(absent[i : i + 300], source).verdict for i in range(0, 20_000, 2_000)]
    assert set(found) == {"none"}


def test_thai_edited(indexed: Indexed) -> None:
    letters = [chr(i) for i in range(0x0E01, 0x0E2F)]
    rng = random.Random(1)
    source = source_of(*("".join(rng.choices(letters, k=500)) for _ in range(15)))
    text = "".join(rng.choice(letters) if i % 20 == 0 else c for i, c in enumerate(source.records[4].output_text))
    verdict = verify(indexed, source, text)
    assert (verdict.verdict, verdict.records[0].record_id) == ("edited", 4)


def test_examined_text_has_its_best_relatives_even_without_a_claim(indexed: Indexed) -> None:
    source = source_of(*(prose(number, 120) for number in range(20)))
    index, output = indexed(source), source.records[6].output_text
    verdict, (relative,) = index.examine(" ".join(shuffled_near(output).split()[:49]), source)
    assert (verdict.verdict, relative.record_id) == ("none", 6) and relative.score > 0
    verdict, (relative,) = index.examine(edited(output, 8), source)
    assert verdict.records[0].resemblance is not None
    assert verdict.records[0].resemblance.aligned_permille == relative.aligned_permille
    assert [len(index.examine(text, source)[1]) for text in (output, "a few words")] == [0, 0]


def test_points_are_in_order_and_met() -> None:
    assert [point.words for point in POINTS] == sorted(point.words for point in POINTS)
    for one, other in pairwise(POINTS):
        assert one.reworded >= other.reworded and one.edited >= other.edited >= other.floor
    for point in POINTS:
        assert point_of(point.words * WORD_WEIGHT) == point
    assert point_of(10**6) == POINTS[-1] and point_of(WORD_WEIGHT) == POINTS[0]
    assert POINTS[2].reworded > point_of(75 * WORD_WEIGHT).reworded > POINTS[3].reworded


def test_region_is_where_the_window_was_taken_from() -> None:
    record = terms_of(units_of(" ".join(made_up(1, 1000))))
    window = Window.of(record[600:640], weigher({}, 100))
    start, end = window.region_of(record)
    assert start <= 600 and end >= 640 and end - start == 80
    assert window.shares(record[start:end]) == (1000, 1000, 1000)
    assert window.region_of(record[:50]) == (0, 50)
