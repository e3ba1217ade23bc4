"""Units: words, and single characters of scripts without spaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.index.normalise import normalise
from ledger.index.units import units_of


@pytest.mark.parametrize(
    ("text", "words", "weight"),
    [
        ("", [], 0),
        ("... --- !!! \U0001f600", [], 0),
        ("Don't stop, it's \u201cwell-known\u201d: 3.14!", ["don't", "stop", "it's", "well", "known", "3", "14"], 35),
        ("'quoted' snake_case", ["quoted", "snake", "case"], 15),
        ("na\u00efve na\u0131\u0308ve", ["na\u00efve", "na\u0131\u0308ve"], 10),
        ("\u6df7\u6c8c\u672a\u5206\uff0c", ["\u6df7", "\u6c8c", "\u672a", "\u5206"], 16),
        ("\u6211\u7528Python 3\u5199", ["\u6211", "\u7528", "python", "3", "\u5199"], 22),
        ("\u543e\u8f29\u306f\u30ab\u30fc\u30c9", ["\u543e", "\u8f29", "\u306f", "\u30ab", "\u30fc", "\u30c9"], 24),
        ("\ud55c\uad6d\uc5b4 \ub2e8\uc5b4", ["\ud55c\uad6d\uc5b4", "\ub2e8\uc5b4"], 10),
        ("\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", list("\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22"), 7),
        ("\u0e17\u0e35\u0e48", ["\u0e17\u0e35\u0e48"], 1),  # marks belong to their letter
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902",
            ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u092e\u0947\u0902"],
            10,
        ),
        ("\u0627\u0644\u0644\u064f\u063a\u0629", ["\u0627\u0644\u0644\u064f\u063a\u0629"], 5),
        ("\U00020000\U00020001", ["\U00020000", "\U00020001"], 8),
    ],
)
def test_words_and_weights(text: str, words: list[str], weight: int) -> None:
    units = units_of(normalise(text))
    assert units.words == words
    assert units.totals[-1] == weight


@given(st.text(alphabet="ab 'c-\u4e2d\u0e01\u0301.", max_size=80))
def test_columns_agree(text: str) -> None:
    units = units_of(text)
    assert [text[start:end] for start, end in zip(units.starts, units.ends, strict=True)] == units.words
    assert len(units.totals) == len(units) + 1
    assert sorted(units.starts) == units.starts
    assert not units.truncated


@given(st.text(alphabet="a \u4e2d\u0e01", max_size=60), st.integers(0, 100))
def test_weight_limit_takes_the_longest_beginning(text: str, limit: int) -> None:
    full, cut = units_of(text), units_of(text, limit)
    assert cut.words == full.words[: len(cut)]
    assert cut.totals[-1] <= limit
    assert cut.truncated == (len(cut) < len(full))
    assert not cut.truncated or full.totals[len(cut) + 1] > limit
