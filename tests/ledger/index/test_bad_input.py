"""Pasted texts that are empty, huge, invisible or hostile: a reason or a verdict, in bounded time."""

import random
import sys
import time
from collections.abc import Callable, Collection

import pytest
from index_samples import Source, check_spans, made_up, prose, source_of

from ledger.database import Database
from ledger.errors import ParseError
from ledger.index import ContentIndex
from ledger.index.rules import CHECKED_WEIGHT_MAX, TEXT_BYTES_MAX, WORD_WEIGHT

Indexed = Callable[[Source], ContentIndex]
EVERY_CHARACTER = "".join(chr(i) for i in range(sys.maxunicode + 1) if not 0xD800 <= i <= 0xDFFF)
SECONDS_MAX = 10  # of CPU, on a busy machine; about one on an idle one


def _cut(text: str) -> str:
    """The longest beginning that the byte limit admits."""
    return text.encode()[:TEXT_BYTES_MAX].decode(errors="ignore")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n\t\u3000\u2028", "invisible"),
        ("\u200b\ufeff\u00ad\u034f\ufe0f\U000e0041\x00\x7f", "invisible"),
        ("\u200b" * 300_000, "invisible"),
        ("?!\u2026\U0001f600 --", "too_short"),
        ("one two three four five six seven", "too_short"),
        ("a" * 1_000_000, "too_short"),
        ("\u0301" * 500_000, "too_short"),
        ("\u0301\u0323\u0327" * 160_000, "too_short"),
        ("a" * 10_000_000, "too_long"),
        ("\u0301" * 10_000_000, "too_long"),
        (EVERY_CHARACTER, "too_long"),
        ("\u4e2d" * 333_334, "too_long"),
    ],
    ids=lambda value: value if len(value) < 12 else None,
)
def test_unchecked_with_a_reason(indexed: Indexed, text: str, code: str) -> None:
    source = source_of(prose(1, 50))
    index = indexed(source)
    started = time.process_time()
    verdict = index.verify(text, source)
    assert time.process_time() - started < SECONDS_MAX
    assert (verdict.verdict, verdict.reason_code, verdict.layer) == ("unchecked", code, None)
    assert verdict.reason and verdict.reason[0].islower()
    assert (verdict.text_chars, verdict.checked_chars, verdict.spans, verdict.records) == (len(text), 0, (), ())


@pytest.mark.parametrize(
    "text",
    [
        _cut(EVERY_CHARACTER),
        _cut("".join(random.Random(1).sample(EVERY_CHARACTER, 300_000))),
        "a " * 500_000,
        _cut("e\u0301\u0323 " * 200_000),
        _cut("a\u200b b\u00ad " * 200_000),
        _cut("\U0001d400 " * 250_000),
        "a-- b...." * 100_000,
        "'" * 500_000 + "a'" * 250_000,
        _cut(" ".join(made_up(1, 150_000))),
        "\u4e2d" * 333_333,
        "\u0e01" * 333_333,
    ],
    ids=["every", "shuffled", "one letter", "marks", "invisible", "astral", "runs", "quotes", "long", "han", "thai"],
)
def test_hostile_texts_end_in_time(indexed: Indexed, text: str) -> None:
    """Against records that have much in common with them."""
    source = source_of(prose(1, 50), "a " * 5000, "\u4e2d" * 5000, "\u0e01" * 5000, "e\u0301\u0323 " * 1000)
    index = indexed(source)
    started = time.process_time()
    verdict = index.verify(text, source)
    assert time.process_time() - started < SECONDS_MAX
    assert verdict.verdict in ("none", "excerpt", "unchecked")
    check_spans(verdict, text, source)


@pytest.mark.parametrize("text", ["\ud800", "a" * 100 + "\udfff", "\udc80 one two three four five six seven eight"])
def test_lone_surrogates_are_no_text(indexed: Indexed, text: str) -> None:
    source = source_of(prose(1, 50))
    with pytest.raises(ParseError, match="surrogate") as caught:
        indexed(source).verify(text, source)
    assert caught.value.code == "text_surrogate"


def test_limit_is_in_bytes(database: Database) -> None:
    source = source_of(prose(1, 50))
    index = ContentIndex(database.engine, text_bytes_max=100)
    index.catch_up(source)
    assert index.verify("a b c d e f g h i " * 5 + "1234567890", source).verdict == "none"
    assert index.verify("a b c d e f g h i " * 5 + "123456789é", source).reason_code == "too_long"


def test_excerpts_are_looked_for_in_the_first_20_000_words(indexed: Indexed) -> None:
    words_max = CHECKED_WEIGHT_MAX // WORD_WEIGHT
    output = prose(1, 60)
    source = source_of(output)
    index = indexed(source)
    filler = " ".join(made_up(2, words_max - 60))
    inside = index.verify(f"{filler} {output} {filler}", source)
    assert (inside.verdict, inside.truncated, inside.text_words) == ("excerpt", True, words_max)
    assert inside.checked_chars == len(filler) + 1 + len(output.rstrip("."))
    outside = index.verify(f"{filler} {filler} {output}", source)
    assert (outside.verdict, outside.reason_code, outside.truncated) == ("unchecked", "truncated", True)
    whole = f"{filler} {filler} {output}"
    exact = source_of(whole)
    verdict = indexed(exact).verify(whole, exact)
    assert (verdict.verdict, verdict.truncated, verdict.checked_chars) == ("exact", False, len(whole))


def test_many_records_of_one_phrase_cost_a_bounded_search(indexed: Indexed) -> None:
    phrase = " ".join(made_up(1, 20))
    source = source_of(*(f"{prose(10 + i, 20)} {phrase} {prose(1000 + i, 20)}" for i in range(300)))
    index = indexed(source)
    loads: list[int] = []

    class Counting:
        def contents(self, after_index: int) -> object:
            return source.contents(after_index)

        def contents_of(self, numbers: Collection[int]) -> object:
            loads.extend(numbers)
            return source.contents_of(numbers)

        def registrants_of(self, indexes: object) -> object:
            return source.registrants_of(indexes)  # type: ignore[arg-type]

    text = " ".join(f"{phrase} {made_up(5000 + i, 1)[0]}" for i in range(200))
    verdict = index.verify(text, Counting())  # type: ignore[arg-type]
    check_spans(verdict, text, source)
    assert verdict.verdict in ("none", "unchecked")  # what 300 records have shows none of them
    assert verdict.spans and {span.subtracted for span in verdict.spans} == {"common"}
    assert {span.common_to for span in verdict.spans} == {"outputs"}
    assert len(loads) <= 48 + 16 * 24


def test_record_longer_than_any_pasted_text(indexed: Indexed) -> None:
    output = " ".join(made_up(1, 150_000))
    source = source_of(output)
    index = indexed(source)
    excerpt = " ".join(output.split()[140_000:140_030])
    started = time.process_time()
    verdict = index.verify(excerpt, source)
    assert time.process_time() - started < SECONDS_MAX
    assert (verdict.verdict, verdict.longest_run_words) == ("excerpt", 30)
