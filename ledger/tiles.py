"""Tiles: the static pieces in which a log is published, their paths, contents and arithmetic (C2SP tlog-tiles).

    tile/0/x001/067          full hash tile: level 0, number 1067, 256 hashes
    tile/0/x001/067.p/8      partial tile: its first 8 hashes
    tile/entries/000.p/3     partial entry bundle: entries 0, 1 and 2

Hash i of tile n at level l is the hash of the complete subtree over the leaves
[(256 n + i) * 256**l, (256 n + i + 1) * 256**l). A tile that would be empty does not exist.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import NotFound, ParseError
from ledger.merkle import SIZE_MAX
from ledger.stored_hashes import stored_hash_index

TILE_WIDTH = 256
LEVEL_MAX = 63
ENTRY_BYTES_MAX = 65_535
PATH_CHARS_MAX = 64

_LEVEL_BITS = 8  # TILE_WIDTH = 2 ** _LEVEL_BITS
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of a tile; `width` is 256 for a full one and 1..255 for a partial one."""

    level: int | None  # None: an entry bundle
    number: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if self.level is not None and not 0 <= self.level <= LEVEL_MAX:
            raise ParseError("tile_level", f"tile level {self.level} is not in 0..{LEVEL_MAX}")
        if not 0 <= self.number <= SIZE_MAX:
            raise ParseError("tile_number", f"tile number {self.number} is not in 0..2**63-1")
        if not 1 <= self.width <= TILE_WIDTH:
            raise ParseError("tile_width", f"tile width {self.width} is not in 1..{TILE_WIDTH}")


def format_tile_path(tile: Tile) -> str:
    """Path of the tile, relative to the log's prefix, without a leading slash."""
    groups = [f"{tile.number % 1000:03d}"]
    rest = tile.number // 1000
    while rest:
        groups.append(f"x{rest % 1000:03d}")
        rest //= 1000
    level = "entries" if tile.level is None else str(tile.level)
    partial = "" if tile.width == TILE_WIDTH else f".p/{tile.width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def parse_tile_path(path: str) -> Tile:
    """Inverse of `format_tile_path`; raises ParseError (`tile_path`, `tile_level`, `tile_number`, `tile_width`)."""
    match = _PATH.fullmatch(path) if len(path) <= PATH_CHARS_MAX else None
    if match is None:
        raise ParseError("tile_path", f"not a tile path: {path[:PATH_CHARS_MAX]!r}; expected e.g. tile/0/x001/067.p/8")
    level = None if match["level"] == "entries" else int(match["level"])
    width = TILE_WIDTH
    if match["width"] is not None:
        width = int(match["width"])
        if width >= TILE_WIDTH:
            raise ParseError("tile_width", f"partial tile width {width} is not in 1..{TILE_WIDTH - 1}")
    tile = Tile(level, int(match["number"].replace("x", "").replace("/", "")), width)
    if format_tile_path(tile) != path:  # A number with a superfluous group, as in x000/001.
        raise ParseError("tile_path", f"not the shortest form of a tile path: {path!r}")
    return tile


def tile_width(level: int | None, number: int, size: int) -> int:
    """How many hashes or entries the tile holds in a tree of `size` leaves: 0 (it does not exist) to 256."""
    items = size >> (_LEVEL_BITS * (level or 0))
    return min(max(items - number * TILE_WIDTH, 0), TILE_WIDTH)


def check_tile_exists(tile: Tile, size: int) -> None:
    """Raise NotFound (`tile_beyond_log`) unless a tree of `size` leaves has at least the tile's width."""
    available = tile_width(tile.level, tile.number, size)
    if tile.width > available:
        raise NotFound(
            "tile_beyond_log",
            f"{format_tile_path(tile)} is not in the log: {available} items are there at size {size}",
        )


def tile_hash_indexes(tile: Tile) -> list[int]:
    """Stored-hash indexes of a hash tile's content, in order."""
    if tile.level is None:
        raise ValueError("an entry bundle holds no hashes")
    first = tile.number * TILE_WIDTH
    return [stored_hash_index(_LEVEL_BITS * tile.level, first + i) for i in range(tile.width)]


def tiles_of(size: int) -> list[Tile]:
    """All tiles of a tree of `size` leaves: entry bundles, then hash tiles from level 0 upwards, partial ones last."""
    tiles = _row(None, size)
    level, items = 0, size
    while items:
        tiles += _row(level, items)
        level, items = level + 1, items >> _LEVEL_BITS
    return tiles


def _row(level: int | None, items: int) -> list[Tile]:
    full, width = divmod(items, TILE_WIDTH)
    row = [Tile(level, number) for number in range(full)]
    return [*row, Tile(level, full, width)] if width else row


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entry bundle of 1..256 entries: a 16-bit big-endian length before each."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise ValueError(f"a bundle holds 1..{TILE_WIDTH} entries, not {len(entries)}")
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise ParseError("entry_size", f"an entry of {len(entry)} bytes; the limit is {ENTRY_BYTES_MAX}")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Inverse of `encode_bundle` for a bundle of exactly `width` entries; raises ParseError (`bundle_length`)."""
    entries = split_bundle(data, width)
    if len(entries) != width:
        raise ParseError("bundle_length", f"the bundle ends inside entry {len(entries)} of {width}")
    return entries


def split_bundle(data: bytes, entries_max: int) -> list[bytes]:
    """The entries of bytes in the form of a bundle, of which there may be 0 to `entries_max`; likewise."""
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        if len(entries) == entries_max:
            raise ParseError("bundle_length", f"{len(data) - position} bytes after the last of {entries_max} entries")
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or position > len(data):
            raise ParseError("bundle_length", f"the bundle ends inside entry {len(entries)}")
        entries.append(data[start:position])
    return entries
