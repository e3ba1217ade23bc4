"""Disguised copies: every row of the known attacks on exact matching keeps its match and its offsets."""

import random
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_samples import Source, check_spans, prose, source_of

from ledger.index import ContentIndex
from ledger.index.normalise import normalise

Indexed = Callable[[Source], ContentIndex]
Disguise = Callable[[random.Random, str], str]

OUTPUT = prose(1, 200).replace("fi", "f i") + " \u201cThe office of the first efficient fluffy cafe\u0301\u201d."


def _sprinkle(characters: str, share: float) -> Disguise:
    """Puts one of the characters after each with a probability."""
    return lambda rng, text: "".join(c + rng.choice(characters) if rng.random() < share else c for c in text)


def _shifted(first: int, low: str, high: str) -> Disguise:
    """Letters between low and high moved to a block that begins with `first`."""
    return lambda _, text: "".join(chr(first + ord(c) - ord(low)) if low <= c <= high else c for c in text)


def _replaced(*pairs: tuple[str, str]) -> Disguise:
    def disguise(_: random.Random, text: str) -> str:
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return disguise


DISGUISES: dict[str, Disguise] = {
    "soft hyphen 10 %": _sprinkle("\u00ad", 0.1),
    "variation selectors": _sprinkle("\ufe00\ufe0f\U000e0100\U000e01ef", 0.3),
    "tag characters": _sprinkle("\U000e0020\U000e0061\U000e007f", 0.3),
    "combining grapheme joiner": _sprinkle("\u034f", 0.3),
    "zero-width": _sprinkle("\u200b\u200c\u200d\u2060\ufeff", 0.3),
    "bidirectional controls": _sprinkle("\u200e\u200f\u202a\u202c\u2066\u2069", 0.2),
    "fullwidth": _shifted(0xFF01, "!", "~"),
    "mathematical bold": _shifted(0x1D41A, "a", "z"),
    "mathematical monospace": _shifted(0x1D68A, "a", "z"),
    "circled": _shifted(0x24D0, "a", "z"),
    "smart quotes and dashes": _replaced(("\u201c", '"'), ("\u201d", "\u00bb"), ("'", "\u2019"), (" ", "\u00a0")),
    "ligatures": _replaced(("ffi", "\ufb03"), ("ffl", "\ufb04"), ("fi", "\ufb01"), ("fl", "\ufb02"), ("ff", "\ufb00")),
    "upper case": lambda _, text: text.upper(),
    "NFD": lambda _, text: unicodedata.normalize("NFD", text),
    "NFC": lambda _, text: unicodedata.normalize("NFC", text),
    "line breaks": lambda rng, text: "".join(rng.choice(["\n", "\r\n", " \t "]) if c == " " else c for c in text),
    "spaces around": lambda _, text: f"\u3000\n {text} \u2028\ufeff",
}


@pytest.mark.parametrize("name", DISGUISES)
def test_disguised_output_is_exact(indexed: Indexed, name: str) -> None:
    source = source_of(OUTPUT)
    text = DISGUISES[name](random.Random(1), OUTPUT)
    verdict = indexed(source).verify(text, source)
    assert (verdict.verdict, verdict.matched_permille) == ("exact", 1000)
    assert [(span.start, span.end) for span in verdict.spans] == [(0, len(text))]


@pytest.mark.parametrize("name", DISGUISES)
def test_disguised_excerpt_has_the_right_offsets(indexed: Indexed, name: str) -> None:
    words = OUTPUT.split(" ")
    excerpt = DISGUISES[name](random.Random(2), " ".join(words[-25:])).strip("\u3000\n \u2028\ufeff")
    before, after = prose(2, 20) + " ", " " + prose(3, 20)
    text = before + excerpt + after
    source = source_of(OUTPUT)
    verdict = indexed(source).verify(text, source)
    check_spans(verdict, text, source)
    assert verdict.verdict == "excerpt"
    (span,) = verdict.spans
    # What is invisible at the very end belongs to no word.
    end = len(excerpt.rstrip("".join(c for c in excerpt if not normalise(c))))
    assert (span.start, span.end) == (len(before), len(before) + end)


DRESSES: list[Callable[[str], str]] = [
    lambda c: c,
    lambda c: c.upper(),
    lambda c: chr(0xFEE0 + ord(c)),
    lambda c: chr(0x1D41A + ord(c) - ord("a")),
    lambda c: c + "\u200b",
    lambda c: "\u00ad" + c,
    lambda c: c + "\ufe0f\U000e0041",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.randoms(use_true_random=False), st.integers(0, 170), st.integers(16, 30))
def test_any_mixture_of_disguises_keeps_the_offsets(
    indexed: Indexed, rng: random.Random, first: int, count: int
) -> None:
    words = prose(1, 200).replace(".", "").lower().split(" ")
    source = source_of(" ".join(words))
    excerpt = " ".join("".join(rng.choice(DRESSES)(c) for c in word) for word in words[first : first + count])
    visible = excerpt.strip("\u00ad\u200b\ufe0f\U000e0041")
    before = f"{prose(2, 12)} \U0001f468\u200d\U0001f469 e\u0301\ufb03 "
    text = before + excerpt + " " + prose(3, 12)
    verdict = indexed(source).verify(text, source)
    check_spans(verdict, text, source)
    (span,) = verdict.spans
    start = len(before) + excerpt.index(visible)
    assert (span.start, span.end) == (start, start + len(visible))
    assert span.words == min(count, 200 - first)


def test_real_cyrillic_and_greek_are_not_latin(indexed: Indexed) -> None:
    source = source_of("\u0430\u0441\u0435 \u043e\u0440\u0445 " * 6)
    assert indexed(source).verify("ace opx " * 6, source).verdict == "none"
