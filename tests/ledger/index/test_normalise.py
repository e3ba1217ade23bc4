"""The normal form: what is folded, what is not, and the way back to the original's offsets."""

import itertools
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.index.normalise import EXTENDERS_MAX, Trace, normalise

EVERY_CHARACTER = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Co", "Cs")]

# Pieces of text in which the steps meet: marks that compose, reorder or are cut, characters that grow, runs.
PIECES = st.sampled_from(
    [
        "a",
        "E",
        "é",
        "́",
        "̣",
        "\u200b",
        "\xad",
        "️",
        "\U000e0041",
        "𝐀",
        "ﬃ",
        "ﷺ",
        " ",
        "\n",
        "\u3000",
        "-",
        "—",
        ".",
        "…",
        "’",
        "「",
        "Ａ",
        "あ",
        "ｶ",
        "ﾞ",
        "가",
        "ᆨ",
        "ᄀ",
        "ᅡ",
        "中",
        "ก",
        "ิ",
        "İ",
        "ß",
        "ͅ",
        "´",
        "\x00",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.characters(exclude_categories=["Cs"])), max_size=60).map("".join)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("", ""),
        ("  The\tquick \r\n\r\n BROWN\u00a0fox\u3000", "the quick brown fox"),
        (
            "don\u2019t \u2018say\u2019 \u201cthis\u201d \u00abor\u00bb \u300cthat\u300d",
            'don\'t \'say\' "this" "or" "that"',
        ),
        ("a\u2014b \u2013 c\u2212d\u2011e--f", "a-b - c-d-e-f"),
        ("wait\u2026 wait..... wait\u22ef wait..", "wait... wait... wait... wait.."),
        (
            "so\u00adft\u200b z\u200ce\ufeffro \u2066iso\u2069 ta\U000e0067g \u034fcgj v\ufe0fs",
            "soft zero iso tag cgj vs",
        ),
        ("\uff26\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff54\uff48\uff01", "full width!"),
        ("\U0001d401\U0001d428\U0001d425\U0001d41d \u24d2\u24d8\u24e1\u24d2", "bold circ"),
        ("e\u0301\u0323 \u1eb9\u0301 \u00c9\u0323", "\u1eb9\u0301 \u1eb9\u0301 \u1eb9\u0301"),
        ("e\u200b\u0301", "\u00e9"),  # what is dropped does not keep a mark from its letter
        ("\ufb01nd o\ufb03ce \u0132 \u01c6", "find office ij d\u017e"),
        (
            "Stra\u00dfe \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
            "strasse \u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3",
        ),
        ("\uff76\uff9e \u30ab\u3099 \u30ac", "\u30ac \u30ac \u30ac"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00"),
        ("\u3002\u300e\u8aac\u300f\uff1f", '\u3002"\u8aac"?'),
        ("a\x00b\x07c\x7fd\x1fe", "abcd e"),
        ("\u0430 \u0391", "\u0430 \u03b1"),  # look-alikes of other scripts stay what they are
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalise(text) == normal


@given(TEXTS)
def test_trace_has_the_same_text(text: str) -> None:
    assert Trace(text).text == normalise(text)


@given(TEXTS)
def test_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_every_character_alone() -> None:
    for character in EVERY_CHARACTER:
        if unicodedata.category(character) == "Lo" and character > "\u3400":
            continue  # ideographs and syllables; the next test has them
        normal = normalise(f"a{character}b")
        assert normalise(normal) == normal == Trace(f"a{character}b").text, hex(ord(character))


def test_every_character_in_one_text() -> None:
    text = "".join(EVERY_CHARACTER)
    assert Trace(text).text == normalise(text)


@given(TEXTS)
def test_offsets_cover_the_text_in_order(text: str) -> None:
    trace = Trace(text)
    ranges = [trace.source(i, i + 1) for i in range(len(trace.text))]
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert all(before[0] <= after[0] and before[1] <= after[1] for before, after in itertools.pairwise(ranges))
    for (start, end), character in zip(ranges, trace.text, strict=True):
        assert character in normalise(f"x{text[start:end]}x") or character == " "


@pytest.mark.parametrize(
    ("text", "start", "end", "source"),
    [
        ("  The  Cat", 0, 3, "The"),
        ("  The  Cat", 3, 4, "  "),
        ("  The  Cat", 4, 7, "Cat"),
        ("a o\ufb03ce b", 2, 8, "o\ufb03ce"),
        ("a o\ufb03ce b", 4, 5, "\ufb03"),  # the middle of a ligature is the ligature
        ("\U0001d401\u200b\U0001d428 x", 0, 2, "\U0001d401\u200b\U0001d428"),
        ("x e\u0301\u200b y", 2, 3, "e\u0301"),
        ("x\u2026y", 1, 4, "\u2026"),
        ("\u200bx", 0, 1, "x"),
        ("x\u2014\u2014y", 1, 2, "\u2014\u2014"),
    ],
)
def test_offsets(text: str, start: int, end: int, source: str) -> None:
    first, last = Trace(text).source(start, end)
    assert text[first:last] == source


def test_piles_of_marks_are_cut_and_linear() -> None:
    pile = "\u0301\u0323" * 250_000
    started = time.process_time()
    normal = normalise("a" + pile)
    assert time.process_time() - started < 2
    assert normal == Trace("a" + pile).text
    short = "a" + "\u0301\u0323" * (EXTENDERS_MAX // 2)
    assert normalise(short) == "\u1ea1" + "\u0323" * 14 + "\u0301" * 15
    assert normalise(short + "\u0323") == normalise(short) + "\u0323"  # not sorted across the cut
