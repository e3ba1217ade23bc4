"""Tile names, widths and contents against the examples and rules of C2SP tlog-tiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import MemoryHashes, tree_of

from ledger.errors import LedgerError, NotFound, ParseError
from ledger.merkle import leaf_hash, root_of
from ledger.tiles import (
    Tile,
    check_tile_exists,
    decode_bundle,
    encode_bundle,
    format_tile_path,
    parse_tile_path,
    tile_hash_indexes,
    tile_width,
    tiles_of,
)

PATHS = {
    "tile/0/000": Tile(0, 0),
    "tile/0/999": Tile(0, 999),
    "tile/0/x001/000": Tile(0, 1000),
    "tile/0/x001/067": Tile(0, 1067),
    "tile/3/x001/x234/067": Tile(3, 1234067),
    "tile/0/x001/067.p/8": Tile(0, 1067, 8),
    "tile/63/000.p/1": Tile(63, 0, 1),
    "tile/10/000.p/255": Tile(10, 0, 255),
    "tile/entries/000": Tile(None, 0),
    "tile/entries/x001/067.p/8": Tile(None, 1067, 8),
    "tile/0/x009/x223/x372/x036/x854/x775/807": Tile(0, 2**63 - 1),
}


@pytest.mark.parametrize("path", PATHS)
def test_path_and_tile_are_inverse(path: str) -> None:
    assert parse_tile_path(path) == PATHS[path]
    assert format_tile_path(PATHS[path]) == path


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("tile/0/000.p/0", "tile_path"),
        ("tile/0/000.p/256", "tile_width"),
        ("tile/0/000.p/999", "tile_width"),
        ("tile/0/000.p/1000", "tile_path"),
        ("tile/0/000.p/08", "tile_path"),
        ("tile/0/000.p/-1", "tile_path"),
        ("tile/0/000.p/", "tile_path"),
        ("tile/0/000.p", "tile_path"),
        ("tile/0/000/.p/8", "tile_path"),
        ("tile/0/000.p/8/", "tile_path"),
        ("tile/00/000", "tile_path"),
        ("tile/01/000", "tile_path"),
        ("tile/64/000", "tile_level"),
        ("tile/99/000", "tile_level"),
        ("tile/100/000", "tile_path"),
        ("tile/-1/000", "tile_path"),
        ("tile/+1/000", "tile_path"),
        ("tile/data/000", "tile_path"),
        ("tile/8/0/000", "tile_path"),
        ("tile/0/0", "tile_path"),
        ("tile/0/00", "tile_path"),
        ("tile/0/0000", "tile_path"),
        ("tile/0/1067", "tile_path"),
        ("tile/0/001/067", "tile_path"),
        ("tile/0/x001/x067", "tile_path"),
        ("tile/0/x000/001", "tile_path"),
        ("tile/0/x000/x001/067", "tile_path"),
        ("tile/0/X001/067", "tile_path"),
        ("tile/0/x001067", "tile_path"),
        ("tile/0/x009/x223/x372/x036/x854/x775/808", "tile_number"),
        ("tile/0/" + "x999/" * 40 + "999", "tile_path"),
        ("/tile/0/000", "tile_path"),
        ("tile//000", "tile_path"),
        ("tile/0/000\n", "tile_path"),
        (" tile/0/000", "tile_path"),
        ("tile/0/٠٠٠", "tile_path"),
        ("tile/entries/000.p/256", "tile_width"),
        ("", "tile_path"),
    ],
)
def test_any_other_path_is_refused(path: str, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_tile_path(path)
    assert caught.value.code == code


@given(st.none() | st.integers(0, 63), st.integers(0, 2**63 - 1), st.integers(1, 256))
def test_every_tile_has_one_path(level: int | None, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert parse_tile_path(format_tile_path(tile)) == tile


@given(st.text(alphabet="tile/x0123456789.pentris", max_size=40).map(lambda rest: "tile/" + rest) | st.text())
def test_a_path_that_parses_is_the_one_that_is_formatted(path: str) -> None:
    try:
        tile = parse_tile_path(path)
    except LedgerError:
        return
    assert format_tile_path(tile) == path


@pytest.mark.parametrize("fields", [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**63, 1), (0, 0, 0), (0, 0, 257)])
def test_tile_out_of_bounds_cannot_be_made(fields: tuple[int, int, int]) -> None:
    with pytest.raises(ParseError):
        Tile(*fields)


# Widths


def test_tiles_of_the_example_of_70000_leaves() -> None:
    tiles = tiles_of(70_000)
    assert [tile for tile in tiles if tile.level == 0][-2:] == [Tile(0, 272), Tile(0, 273, 112)]
    assert [tile for tile in tiles if tile.level == 1] == [Tile(1, 0), Tile(1, 1, 17)]
    assert [tile for tile in tiles if tile.level == 2] == [Tile(2, 0, 1)]
    assert len([tile for tile in tiles if tile.level is None]) == 274
    assert max(tile.level or 0 for tile in tiles) == 2


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, []),
        (1, [Tile(None, 0, 1), Tile(0, 0, 1)]),
        (255, [Tile(None, 0, 255), Tile(0, 0, 255)]),
        (256, [Tile(None, 0), Tile(0, 0), Tile(1, 0, 1)]),
        (257, [Tile(None, 0), Tile(None, 1, 1), Tile(0, 0), Tile(0, 1, 1), Tile(1, 0, 1)]),
    ],
)
def test_tiles_of_small_trees(size: int, expected: list[Tile]) -> None:
    assert tiles_of(size) == expected


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 70_000])
def test_a_tile_exists_up_to_its_width(size: int) -> None:
    for tile in tiles_of(size):
        assert tile_width(tile.level, tile.number, size) == tile.width
        check_tile_exists(tile, size)
        if tile.width < 256:
            with pytest.raises(NotFound) as caught:
                check_tile_exists(Tile(tile.level, tile.number, tile.width + 1), size)
            assert caught.value.code == "tile_beyond_log"
    assert tile_width(0, 2**55, size) == 0
    assert tile_width(63, 0, size) == 0


# Contents

ENTRIES = [b"entry %d" % i for i in range(600)]


@pytest.fixture(scope="module")
def tree() -> MemoryHashes:
    return tree_of(ENTRIES)


def test_hash_tiles_hold_the_subtree_hashes(tree: MemoryHashes) -> None:
    leaves = [leaf_hash(entry) for entry in ENTRIES]
    read = [tree.read_hashes(tile_hash_indexes(tile)) for tile in tiles_of(len(ENTRIES)) if tile.level is not None]
    assert read[:3] == [leaves[:256], leaves[256:512], leaves[512:]]
    assert read[3:] == [[root_of(leaves[:256]), root_of(leaves[256:512])]]


def test_a_bundle_has_no_hashes() -> None:
    with pytest.raises(ValueError, match="bundle"):
        tile_hash_indexes(Tile(None, 0))


def test_bundle_vector() -> None:
    data = bytes.fromhex("0007656e74727920300007656e74727920310007656e7472792032")
    assert encode_bundle(ENTRIES[:3]) == data
    assert decode_bundle(data, 3) == ENTRIES[:3]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundle_is_inverse(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


def test_bundle_of_the_largest_entry() -> None:
    entries = [b"", bytes(65_535)]
    assert decode_bundle(encode_bundle(entries), 2) == entries
    with pytest.raises(ParseError) as caught:
        encode_bundle([bytes(65_536)])
    assert caught.value.code == "entry_size"


@pytest.mark.parametrize("count", [0, 257])
def test_bundle_of_no_or_too_many_entries_cannot_be_made(count: int) -> None:
    with pytest.raises(ValueError, match="bundle"):
        encode_bundle([b""] * count)


def test_bundle_of_another_length_is_refused() -> None:
    data = encode_bundle(ENTRIES[:3])
    for cut in range(len(data)):
        with pytest.raises(ParseError) as caught:
            decode_bundle(data[:cut], 3)
        assert caught.value.code == "bundle_length"
    for wrong, width in ((data + b"\x00", 3), (data, 2), (data, 4), (data, 0)):
        with pytest.raises(ParseError) as caught:
            decode_bundle(wrong, width)
        assert caught.value.code == "bundle_length"
