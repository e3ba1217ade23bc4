"""Blocks: what is written is read again, and looked up by key, whatever the keys and the widths."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.index.blocks import BITS_MAX, BLOCK_ENTRIES, KEPT_RECORDS, Columns, Layout, bits_of, joined
from ledger.index.lookup import UNBOUNDED, Lookup

Entry = tuple[int, int, int]

# Few different bytes: rests that stand across two entries, and keys that many records have.
FEW = st.binary(min_size=8, max_size=8).map(lambda data: int.from_bytes(bytes(1 + byte % 2 for byte in data), "big"))
KEYS = st.one_of(FEW, st.integers(0, 7), st.integers(0, (1 << 64) - 1))
ENTRIES = st.lists(st.tuples(KEYS, st.integers(10, 500), st.integers(0, 65535)), max_size=300)


def columns(entries: list[Entry]) -> Columns:
    keys, records, edges = ([entry[i] for entry in entries] for i in range(3))
    return Columns(*(np.array(values, dtype=np.uint64) for values in (keys, records, edges)))


def listed(entries: Columns) -> list[Entry]:
    return list(zip(entries.keys.tolist(), entries.records.tolist(), entries.edges.tolist(), strict=True))


def looked_up(layout: Layout, blocks: dict[int, bytes], key: int, limit: int = UNBOUNDED) -> list[tuple[int, int]]:
    """(record, edges) of one key, in the block that it belongs to."""
    lookup = Lookup(np.array([key], np.uint64), [layout], limit)
    number = layout.number_of(key)
    rows = [(block, data) for block, data in blocks.items() if abs(block - number) <= 2]
    lookup.read(rows, np.array([number]), np.zeros(1, np.int64), np.zeros(1, np.int64))
    found = lookup.entries()
    return list(zip(found.records.tolist(), found.edges.tolist(), strict=True))


@given(ENTRIES, st.integers(0, BITS_MAX), st.sampled_from([500, 10_000, 10**7, 10**12]))
def test_postings_are_read_as_they_were_written(entries: list[Entry], bits: int, last: int) -> None:
    layout = Layout(64, bits, 10, last)
    assert listed(columns(entries).sorted()) == sorted(set(entries))
    blocks = dict(layout.encode(columns(entries).sorted()))
    assert list(blocks) == sorted(blocks)
    assert listed(layout.decode(list(blocks.items()))) == sorted(set(entries))
    found = defaultdict(list)
    for key, record, edges in sorted(set(entries)):
        found[key].append((record, edges))
    for key in {*found, 5, 1 << 63}:
        expected = [entry for entry in found[key] if entry[0] in sorted({r for r, _ in found[key]})[:KEPT_RECORDS]]
        assert looked_up(layout, blocks, key) == expected
        records = [record for record, _ in expected]
        for limit in (1, 2, 5):
            assert looked_up(layout, blocks, key, limit) == [
                entry for entry in expected if entry[0] <= (records[limit - 1] if len(records) >= limit else last)
            ]


@given(ENTRIES, st.integers(0, BITS_MAX))
def test_terms_are_read_as_they_were_written(entries: list[Entry], bits: int) -> None:
    layout = Layout(31, bits, 0, 500)
    pairs = sorted({(key >> 33, record) for key, record, _ in entries})
    blocks = dict(layout.encode(columns([(key, record, 0) for key, record in pairs]).sorted()))
    assert [(key, record) for key, record, _ in listed(layout.decode(list(blocks.items())))] == pairs
    for key in {key for key, _ in pairs} | {5}:
        assert looked_up(layout, blocks, key) == [(record, 0) for other, record in pairs if other == key]


def test_what_lookups_read_of_a_phrase_is_bounded() -> None:
    layout = Layout(64, 3, 0, 10_000)
    phrase = 7 << 61
    entries = [(phrase, record, edges) for record in range(5000) for edges in (1, 2)] + [(phrase | 1, 3, 1)]
    blocks = dict(layout.encode(columns(entries).sorted()))
    assert set(blocks) == {14, 15}
    assert looked_up(layout, blocks, phrase) == [(i, e) for i in range(KEPT_RECORDS) for e in (1, 2)]
    assert looked_up(layout, blocks, phrase | 1) == [(3, 1)]
    assert listed(layout.decode(list(blocks.items()))) == sorted(entries)


def test_parts_join_in_the_order_of_their_records() -> None:
    parts = [[(5, 1, 2), (9, 0, 0)], [(5, 3, 1), (5, 4, 0)], [], [(2, 8, 8), (9, 7, 7)]]
    assert listed(joined([columns(part) for part in parts])) == sorted(entry for part in parts for entry in part)
    assert listed(joined([])) == []


@pytest.mark.parametrize("entries", [0, 1, 63, 64, 127, 128, 10**5, 10**8, 10**12])
def test_blocks_have_about_one_size(entries: int) -> None:
    bits = bits_of(entries)
    assert 0 <= bits <= BITS_MAX
    if BLOCK_ENTRIES <= entries < BLOCK_ENTRIES << BITS_MAX:
        assert BLOCK_ENTRIES <= entries >> bits < 2 * BLOCK_ENTRIES
