"""Matching in C gives what slow Python gives (`slow_matching.py`), for texts of all scripts and arrays of all sizes."""

import random
from hashlib import blake2b

import numpy as np
import pytest
import slow_matching as slow
from hypothesis import given
from hypothesis import strategies as st

from ledger.compiled import matching
from ledger.index.characters import classes, ranges_of, unit_classes
from ledger.index.columns import distinct, numbered
from ledger.index.echo import echoed_units
from ledger.index.normalise import Trace, normalise
from ledger.index.resemblance import Window
from ledger.index.rules import TERM_WINDOW_WEIGHT, WINDOW_SHINGLES, WORD_WEIGHT
from ledger.index.terms import terms_of, weigher, weights_of
from ledger.index.text import Text
from ledger.index.units import Units, units_of
from ledger.index.winnow import shingles_of

ALPHABET = (
    "abcdefgh  ''.-_123\u00c4\u00f6\u00df\u0436\u0449\u0301\u0300\u093f\u0939\u094d\u0926\u0967"
    "\u4e2d\u6587\u3001\u3042\u30a2\u30fc\u0e01\u0e02\u0e07\u0e31\u1000\u103c\ud55c\uad6d"
    "\U00020000\U00010400\U00011000\U0001f600"
)
TEXTS = st.one_of(st.text(alphabet=ALPHABET, max_size=120), st.text(max_size=80))
FEW_TERMS = st.lists(st.integers(0, 12), max_size=60).map(lambda terms: np.array(terms, np.uint32))


def cut_like_slow(text: str, weight_max: int | None = None) -> None:
    units = units_of(text, weight_max)
    places, truncated = slow.units(text, weight_max)
    assert (list(zip(units.starts, units.ends, strict=True)), units.truncated) == (places, truncated)
    words = [text[start:end] for start, end in places]
    assert units.words == words
    assert units.totals == [sum(map(slow.weight_of, words[:count])) for count in range(len(words) + 1)]
    assert bytes(units.columns.joined) == "".join(f"{word} " for word in words).encode()
    hashed_like_slow(units, words)


def hashed_like_slow(units: Units, words: list[str]) -> None:
    shingles, terms = shingles_of(units), terms_of(units)
    assert (shingles.hashes, shingles.ends) == slow.shingles(words)
    assert terms.tolist() == slow.terms(words)
    windows = matching.window_ends(units.columns, len(terms), TERM_WINDOW_WEIGHT)
    assert windows.tolist() == slow.window_ends(words, len(terms))
    prints, edges = matching.fingerprints_of(units.columns, shingles.hash_column, shingles.end_column, WINDOW_SHINGLES)
    assert prints.tolist() == slow.winnow(shingles.hashes)
    assert edges.tolist() == [slow.edges(words, start, shingles.ends[start]) for start in prints.tolist()]


@given(TEXTS, st.one_of(st.none(), st.integers(0, 100)))
def test_texts_of_all_scripts(text: str, weight_max: int | None) -> None:
    cut_like_slow(text, weight_max)


@given(st.one_of(TEXTS, st.text(alphabet=" .-\t\u2026\u2014\u200b\ufb03\uff0c\u00bd\u0130a", max_size=60)))
def test_normal_forms_of_both_ways(text: str) -> None:
    """Characters that fold one by one are folded in C; the trace goes step by step for all."""
    assert normalise(text) == Trace(text).text


def test_texts_that_c_leaves_to_the_long_way() -> None:
    folding = matching.Folding(np.arange(128, dtype=np.uint32), np.arange(90, 93, dtype=np.uint32))
    folding.table[ord("x")] = matching.FOLD_EXPANDS | 3 << 24
    folding.table[ord("y")] = matching.FOLD_LONG_WAY
    assert matching.fold("  a--b.....x ", folding) == "a-b...Z[\\"
    assert matching.fold("x" * 64, folding) == "Z[\\" * 64
    assert matching.fold("x" * 65, folding) is None  # longer than there is room for
    assert matching.fold("ay", folding) is matching.fold("\u00e4", folding) is matching.fold("\ud800", folding) is None
    assert matching.fold("", folding) == matching.fold("   ", folding) == ""


def test_every_character() -> None:
    """Each beside letters, an apostrophe and a mark; of ideographs, syllables and what is unassigned one in 97."""
    dense = (range(0x3400), range(0xA000, 0xAC00), range(0xE000, 0x1F000))
    points = [*(i for some in dense for i in some), *range(0x3400, 0xA000, 97), *range(0x1F000, 0x110000, 97)]
    for first in range(0, len(points), 64):
        text = "".join(f"{chr(i)}a'{chr(i)}\u0301" for i in points[first : first + 64])
        places, _ = slow.units(text, None)
        units = units_of(text)
        assert list(zip(units.starts, units.ends, strict=True)) == places
        assert units.total == sum(slow.weight_of(text[start:end]) for start, end in places)


def test_a_character_is_of_one_kind() -> None:
    """So that the order in which units are tried does not matter."""
    table = unit_classes()
    assert set(np.unique(table)) == {0, matching.LETTER, matching.MARK, matching.WIDE, matching.DENSE}
    assert all(table[first] for first, _ in ranges_of(classes().wide))


@pytest.mark.parametrize("size", range(1, 9))
def test_blake2b_of_all_lengths(size: int) -> None:
    """Past three blocks; the four texts that are hashed side by side have any lengths."""
    rng = random.Random(size)
    words = ["".join(rng.choices("abc\u4e2d", k=length)) for length in [*range(1, 400), 4, 900, 1, 129, 128, 127]]
    rng.shuffle(words)
    units = units_of(" ".join(words).replace("\u4e2d", "\u00e4"))
    for person in (b"", b"p", b"sixteen bytes !!"):
        for weight in (1, 6, 500):
            ends, hashes = matching.hash_runs(units.columns, weight, size, person)
            assert ends.tolist() == list(range(-(-weight // WORD_WEIGHT), len(units) + 1))
            runs = [" ".join(units.words[start:end]).encode() for start, end in enumerate(ends.tolist())]
            digests = [blake2b(run, digest_size=size, person=person).digest() for run in runs]
            assert hashes.tolist() == [int.from_bytes(digest, "big") for digest in digests]


@pytest.mark.parametrize("count", range(6))
def test_hashes_of_few(count: int) -> None:
    """Also where fewer than four are left to be hashed side by side."""
    units = units_of("once upon a time there"[: 5 * count])
    assert terms_of(units).tolist() == slow.terms(units.words)


@given(st.lists(st.integers(-3, 3), max_size=40), st.integers(1, 6))
def test_winnowing_with_equal_hashes(hashes: list[int], window: int) -> None:
    units, ends = units_of("a " * len(hashes)).columns, np.arange(1, len(hashes) + 1, dtype=np.int32)
    chosen = matching.fingerprints_of(units, np.array(hashes, np.int64), ends, window)[0].tolist()
    windows = [hashes[i : i + window] for i in range(max(1, len(hashes) - window + 1))] if hashes else []
    last_least = {i + max(k for k, value in enumerate(some) if value == min(some)) for i, some in enumerate(windows)}
    assert chosen == sorted(last_least)


@given(st.text(alphabet="ab \u4e2d", max_size=80), st.text(alphabet="ab \u4e2d", max_size=80))
def test_echoes(text: str, prompt: str) -> None:
    ours, theirs = Text(text), Text(prompt)
    expected = slow.echoed(ours.units.words, theirs.units.words)
    echoed, weight = matching.echo_of(
        ours.shingles.hash_column,
        ours.shingles.end_column,
        np.sort(theirs.shingles.hash_column),
        ours.units.columns.totals,
    )
    assert list(map(bool, echoed)) == expected
    assert list(map(bool, echoed_units(ours, theirs))) == expected
    assert weight == sum(
        slow.weight_of(word) for word, echoes in zip(ours.units.words, expected, strict=True) if echoes
    )


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=8), st.lists(st.integers(0, 9), min_size=6, max_size=6)
)
def test_counts_of_earlier_texts(texts: list[list[int]], before: list[int]) -> None:
    counts = np.array(before, np.int64)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    terms = np.array([term for text in texts for term in text], np.int32)
    earlier = matching.count_earlier(terms, ends, counts)
    expected, known = [], list(before)
    for text in texts:
        expected += [known[term] for term in text]
        known = [count + (term in text) for term, count in enumerate(known)]
    assert (earlier.tolist(), counts.tolist()) == (expected, known)


@given(st.lists(st.lists(st.integers(0, 20), max_size=30), max_size=5), st.integers(1, 8), st.data())
def test_rarest_terms_of_windows(windows: list[list[int]], most: int, data: st.DataObject) -> None:
    weight = data.draw(st.lists(st.integers(0, 4), min_size=21, max_size=21))
    terms = [term for window in windows for term in window]
    ends = np.cumsum([len(window) for window in windows], dtype=np.int64)
    weights = np.array([weight[term] for term in terms], np.int32)
    chosen = matching.choose(np.array(terms, np.uint32), weights, ends, most).tolist()
    for window, end in zip(windows, ends.tolist(), strict=True):
        found = [term for term, kept in zip(window, chosen[end - len(window) : end], strict=True) if kept]
        assert sorted(found) == sorted(sorted(set(window), key=lambda term: (-weight[term], term))[:most])


def test_weights_of_many_are_weights_of_each() -> None:
    """Also where the logarithm is next to a half: of each number of texts, counts up to a thousand and far ones."""
    rng = random.Random(1)
    for texts in (0, 1, 17, 999, 123_456, 10**7, 10**9):
        counts = [n for n in (*range(1000), *(rng.randrange(10**9) for _ in range(1000))) if n <= texts]
        one_by_one = [weigher({1 << 40: count}, texts)(1 << 40) for count in counts]
        assert weights_of(np.array(counts), np.full(len(counts), texts)).tolist() == one_by_one


@given(FEW_TERMS)
def test_different_terms_are_numbered(terms: np.ndarray) -> None:
    different, places = numbered(terms)
    assert different.tolist() == sorted(set(terms.tolist()))
    assert different[places].tolist() == terms.tolist()
    assert distinct(terms).tolist() == different.tolist()


@given(FEW_TERMS, FEW_TERMS, st.integers(1, 10))
def test_what_a_window_shares_with_a_record(window: np.ndarray, record: np.ndarray, size: int) -> None:
    weight = [3, 1, 2_000, 5_000, 7, 2_001, 1_999, 40, 0, 12, 9_000, 8, 8]
    compared = Window.of(window, weight.__getitem__)
    ours, theirs = window.tolist(), record.tolist()
    places = matching.places_of(compared.known, record)
    assert [compared.known[place] if place >= 0 else None for place in places.tolist()] == [
        term if term in ours else None for term in theirs
    ]
    assert matching.terms_weight(places, compared.weights) == sum(weight[term] for term in set(ours) & set(theirs))
    shared = _pairs(ours) & _pairs(theirs)
    assert matching.pairs_weight(places, 3, compared.pairs, compared.pair_weights) == _weight_of_pairs(shared, weight)
    assert compared.pairs_weight == _weight_of_pairs(_pairs(ours), weight)
    start = matching.region_start(places, size, compared.weights)
    stretches = [sum(weight[term] for term in set(theirs[i : i + size]) & set(ours)) for i in range(len(theirs))]
    beginnings = [sum(weight[term] for term in set(theirs[:i]) & set(ours)) for i in range(1, size + 1)]
    best = max([0, *stretches, *beginnings])
    assert sum(weight[term] for term in set(theirs[start : start + size]) & set(ours)) == best


def _pairs(terms: list[int]) -> set[tuple[int, int]]:
    return {
        (min(one, other), max(one, other))
        for place, one in enumerate(terms)
        for other in terms[place + 1 : place + 4]
        if one != other
    }


def _weight_of_pairs(pairs: set[tuple[int, int]], weight: list[int]) -> int:
    return sum(min(weight[one], weight[other]) for one, other in pairs)


def test_arguments_that_c_could_not_take() -> None:
    units = units_of("once upon a time there was")
    with pytest.raises(ValueError, match="1 to 8 bytes"):
        matching.hash_runs(units.columns, 5, 9, b"")
    with pytest.raises(ValueError, match="up to 16"):
        matching.hash_runs(units.columns, 5, 8, b"seventeen bytes !")
    with pytest.raises(ValueError, match="chosen"):
        matching.choose(np.ones(3, np.uint32), np.ones(3, np.int32), np.array([3]), 65)
    with pytest.raises(ValueError, match="class for each code point"):
        matching.cut_units("a", np.zeros(5, np.uint8), (5, 4, 1), None)
    with pytest.raises(TypeError):
        matching.fingerprints_of(units.columns, np.ones(3, np.int32), np.ones(3, np.int32), 4)  # type: ignore[arg-type]
