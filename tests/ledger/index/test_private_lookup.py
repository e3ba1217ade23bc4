"""Private lookup: buckets hold the index and nothing else; what they show agrees with a search that is not private."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_samples import Record, Source, made_up

from ledger.errors import NotFound, ParseError
from ledger.index import ContentIndex, private
from ledger.index.rules import CHECKED_WEIGHT_MAX
from ledger.index.text import Text

SIGNED = st.integers(-(1 << 63), (1 << 63) - 1)


def words(count: int, seed: int) -> str:
    return " ".join(made_up(seed, count))


class Public(Source):
    def public_among(self, indexes):
        return {i for i in indexes if i in self.records and self.records[i].visibility == "public"}


def records_of(index: ContentIndex, source: Public, text: Text, bits: int) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for prefix in private.prefixes_of(text, bits):
        found |= private.parse_bucket(index.bucket(bits, prefix, source), bits, prefix)
    return found


@given(st.lists(st.tuples(SIGNED, st.integers(0, 1 << 62)), max_size=700))
def test_a_bucket_is_read_as_it_was_written(entries):
    data = private.format_bucket(entries)
    assert len(data) % private.PAGE_BYTES == 0
    read = private.parse_bucket(data, 0, 0)
    assert {(value, record) for value, records in read.items() for record in records} == set(entries)


@pytest.mark.parametrize("bits", [1, 5, 32])
def test_prefixes_divide_all_hashes(bits):
    step = 1 << 64 - bits
    for prefix in {0, 1, (1 << bits) - 1, 1 << bits - 1}:
        low, high = private.hash_range(bits, prefix)
        assert high - low == step - 1
        assert {(value & (1 << 64) - 1) >> 64 - bits for value in (low, high)} == {prefix}
    assert private.hash_range(0, 0) == (-(1 << 63), (1 << 63) - 1)


def test_buckets_stay_small_as_the_log_grows():
    for records in (0, 5, 1000, 10**6, 10**9):
        expected = records * private.ENTRIES_PER_RECORD / 2 ** private.prefix_bits(records)
        assert expected <= private.BUCKET_ENTRIES
    assert private.prefix_bits(0) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data + bytes(private.PAGE_BYTES),
        lambda data: data[:-1] + b"\1",
        lambda data: b"\xff" + data[1:],
        lambda data: b"\0\0\0\1" + data[4:],
        lambda data: data[:4] + data[20:36] + data[4:20] + data[36:],
        lambda data: data[:4] + data[4:20] + data[4:20] + data[36:],
        lambda data: b"",
        lambda data: bytes(private.BUCKET_BYTES_MAX + private.PAGE_BYTES),
    ],
)
def test_a_damaged_bucket_is_refused(damage):
    data = private.format_bucket([(5, 1), (6, 2)])
    assert private.parse_bucket(data, 0, 0) == {5: [1], 6: [2]}
    with pytest.raises(ParseError, match="bucket"):
        private.parse_bucket(damage(data), 0, 0)
    with pytest.raises(ParseError, match="another bucket"):
        private.parse_bucket(private.format_bucket([(-5, 1)]), 1, 0)


def test_buckets_hold_the_public_records_and_nothing_else(index: ContentIndex, monkeypatch):
    monkeypatch.setattr(private, "BUCKET_ENTRIES", 64)
    source = Public({i: Record(words(200, seed=i)) for i in range(20)})
    source.records[3] = replace(source.records[3], visibility="matchable")
    source.records[4] = replace(source.records[4], visibility="private")
    index.catch_up(source)
    bits = private.prefix_bits(20)
    assert bits > 3
    found = set()
    for prefix in range(1 << bits):
        bucket = private.parse_bucket(index.bucket(bits, prefix, source), bits, prefix)
        found |= {(value, record) for value, records in bucket.items() for record in records}
    expected = set()
    for record, content in source.records.items():
        text = Text(content.output_text)
        if content.visibility == "public":
            expected |= {(text.shingles.hashes[i], record) for i in text.fingerprints}
    assert found == expected
    for wrong in ((bits, 1 << bits), (bits, -1), (bits + 1, 0)):
        with pytest.raises(NotFound):
            index.bucket(*wrong, source)


def test_a_phrase_of_many_records_costs_its_earliest_ones(index: ContentIndex):
    phrase = words(12, seed=99)
    source = Public({i: Record(f"{phrase} {words(9, seed=i)}") for i in range(200)})
    index.catch_up(source)
    text = Text(phrase)
    found = records_of(index, source, text, private.prefix_bits(200))
    common = text.shingles.hashes[text.fingerprints[0]]
    assert found[common] == list(range(private.PER_HASH_MAX))
    index.remove(0)
    del source.records[0]
    assert 0 not in records_of(index, source, text, private.prefix_bits(200))[common]


def test_a_private_lookup_finds_what_a_search_finds(index: ContentIndex):
    source = Public({i: Record(words(150, seed=i)) for i in range(30)})
    index.catch_up(source)
    draw = random.Random(5)
    for turn in range(40):
        record = draw.randrange(30)
        run = source.records[record].output_text.split()[turn : turn + draw.choice((22, 40, 100))]
        pasted = f"{words(30, seed=1000 + turn)} {' '.join(run)}. {words(25, seed=2000 + turn)}"
        text = Text(pasted, CHECKED_WEIGHT_MAX)
        verdict = private.judged(text, records_of(index, source, text, private.prefix_bits(30)))
        searched = index.verify(pasted, source)
        assert verdict["verdict"] == searched.verdict == "excerpt"
        assert verdict["records"] == [{"record_id": record}]
        (ours,), (theirs,) = verdict["spans"], searched.spans
        assert theirs.start <= ours["start"] < ours["end"] <= theirs.end
        assert theirs.words - 6 <= ours["words"] <= theirs.words


def test_a_text_of_nobody_is_found_nowhere(index: ContentIndex):
    source = Public({i: Record(words(150, seed=i)) for i in range(30)})
    index.catch_up(source)
    text = Text(words(200, seed=77))
    verdict = private.judged(text, records_of(index, source, text, private.prefix_bits(30)))
    assert (verdict["verdict"], verdict["spans"], verdict["records"]) == ("none", [], [])


def test_the_longest_run_takes_its_words_first():
    text = Text(words(60, seed=1))
    first, last = text.fingerprints[0], text.fingerprints[-1]
    every = {text.shingles.hashes[i]: [7] for i in text.fingerprints}
    half = {text.shingles.hashes[i]: [7, 2] for i in text.fingerprints if i < 30}
    verdict = private.judged(text, every | half)
    (span,) = verdict["spans"]
    assert span["record_id"] == 7
    assert span["words"] == text.shingles.ends[last] - first
    assert [record["record_id"] for record in verdict["records"]] == [2, 7]
