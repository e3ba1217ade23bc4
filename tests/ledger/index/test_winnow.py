"""Fingerprints: the winnowing guarantee, against a slow definition of the rule."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.index.rules import RUN_WEIGHT_MIN, SHINGLE_WEIGHT
from ledger.index.text import Text
from ledger.index.units import units_of
from ledger.index.winnow import may_be_run, shingles_of

UNITS = st.lists(st.sampled_from(["a ", "b ", "c ", "d ", "\u4e2d", "\u6587", "\u0e01", "\u0e02"]), max_size=60)


def test_hash_is_the_specified_one() -> None:
    shingles = shingles_of(units_of("once upon a time there was"))
    digest = blake2b(b"once upon a time there", digest_size=8, person=b"rail-match/1").digest()
    assert shingles.hashes[0] == int.from_bytes(digest, "big", signed=True)
    assert shingles.ends == [5, 6]


@given(UNITS)
def test_shingles_are_the_shortest_of_their_weight(parts: list[str]) -> None:
    units = units_of("".join(parts))
    shingles = shingles_of(units)
    for start, end in enumerate(shingles.ends):
        assert units.weight(start, end) >= SHINGLE_WEIGHT > units.weight(start, end - 1)
    following = len(shingles.ends)
    assert units.weight(following, len(units)) < SHINGLE_WEIGHT


@given(UNITS, UNITS, UNITS, UNITS, UNITS)
def test_shared_runs_share_a_fingerprint_whose_edges_agree(
    run: list[str], before: list[str], after: list[str], other_before: list[str], other_after: list[str]
) -> None:
    shared = "".join(run)
    if units_of(shared).totals[-1] < RUN_WEIGHT_MIN:
        shared = shared + " x" * 8
    ours = Text("".join(before) + " " + shared + " " + "".join(after))
    theirs = Text("".join(other_before) + " " + shared + " " + "".join(other_after))
    places, others = (text.fingerprint_column[:, None] for text in (ours, theirs))
    same = ours.shingles.hash_column[places] == theirs.shingles.hash_column[others].T
    assert (same & may_be_run(ours.edges[:, None], theirs.edges[None])).any()


@pytest.mark.parametrize(
    ("ours", "theirs", "possible"),
    [
        (0x1234, 0x1234, True),
        (0x1299, 0x1288, True),  # two to the left
        (0x9934, 0x8834, True),  # two to the right
        (0x1939, 0x1838, True),  # one on each side
        (0x9294, 0x8284, False),  # the nearer ones differ
        (0x1999, 0x1888, False),  # one is not enough
        (0x0000, 0x0000, False),  # both texts end on both sides
        (0x1000, 0x1000, False),
    ],
)
def test_edges_count_outwards(ours: int, theirs: int, possible: bool) -> None:
    assert may_be_run(np.array([ours], np.uint16), np.array([theirs], np.uint16)).tolist() == [possible]
