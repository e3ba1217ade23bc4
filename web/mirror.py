"""A copy of a log as static files, every byte checked against the log's signature, that any web server can serve.

    checkpoint                  written last: whoever reads meanwhile never lacks a tile of it
    tile/<level>/<number>       hash tiles, checked up to the signed root
    tile/entries/<number>       entries, each hashed and found in its tile
    tile/.../<number>.p/<width> the tiles at the right edge, of each size that was copied, until they are full

Files appear whole (renamed into place), so a copy that was interrupted goes on where it stopped. Full tiles below the
size of the `checkpoint` file were checked when they were written and are not read again, but with `recheck`.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.checkpoint import parse_checkpoint
from ledger.errors import LedgerError, ParseError
from ledger.merkle import HASH_BYTES, leaf_hash
from ledger.note import NOTE_BYTES_MAX
from ledger.tiles import (
    ENTRY_BYTES_MAX,
    TILE_WIDTH,
    Tile,
    decode_bundle,
    encode_bundle,
    format_tile_path,
    tiles_of,
)
from web.audit.errors import AuditError
from web.audit.log import LogView
from web.audit.source import TileSource
from web.files import SHARED, replace_file
from web.known_logs import KnownLogs

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a run did."""

    size: int
    fetched: int  # files written
    kept: int  # files that were there and are right
    repaired: int  # of the fetched: files that were there and wrong


def mirror(
    view: LogView, source: TileSource, known: KnownLogs, folder: Path, recheck: bool, advance: Advance
) -> Mirrored:
    """Bring `folder` to the checkpoint of `view`.

    Raises AuditError (`other_log`, `mirror_damaged`), LogBroken (two histories, or tiles that miss the root),
    ClientError, OSError.
    """
    start = _copied_size(view, source, known, folder)
    if start > view.checkpoint.size:  # the log shows an older state of the same history: what is here stays
        return Mirrored(start, 0, 0, 0)
    copier = _Copier(view, folder)
    tiles = list(_in_order(view.checkpoint.size))
    for done, tile in enumerate(tiles, 1):
        complete = tile.width == TILE_WIDTH and _last_leaf(tile) < start
        if not complete or recheck:
            copier.copy(tile)
        advance(done, len(tiles))
    _write(folder / "checkpoint", view.note)
    return Mirrored(view.checkpoint.size, copier.fetched, copier.kept, copier.repaired)


def _copied_size(view: LogView, source: TileSource, known: KnownLogs, folder: Path) -> int:
    """Entries that the folder's checkpoint covers, once it is shown to be of the same history; 0 for a new folder."""
    try:
        note = (folder / "checkpoint").read_bytes()[:NOTE_BYTES_MAX]
    except FileNotFoundError:
        return 0
    try:
        checkpoint, _ = parse_checkpoint(note)
    except ParseError as error:
        raise AuditError(
            "mirror_damaged", f"{folder}/checkpoint is no checkpoint: {error}", "remove it; the tiles are kept"
        ) from None
    if checkpoint.origin != view.key.name:
        raise AuditError(
            "other_log", f"{folder} holds the log {checkpoint.origin!r}, not {view.key.name!r}", "choose another folder"
        )
    known.check_note(note, view, source)
    return checkpoint.size


def _in_order(size: int) -> Iterator[Tile]:
    """Hash tiles from the top down, so that each is checked against one that was, then the entries."""
    tiles = tiles_of(size)
    yield from sorted(
        (tile for tile in tiles if tile.level is not None), key=lambda tile: (-(tile.level or 0), tile.number)
    )
    yield from (tile for tile in tiles if tile.level is None)


def _last_leaf(tile: Tile) -> int:
    return ((tile.number + 1) * TILE_WIDTH << 8 * (tile.level or 0)) - 1


class _Copier:
    """Keeps what is right, fetches what is missing or wrong."""

    def __init__(self, view: LogView, folder: Path) -> None:
        self._view = view
        self._folder = folder
        self.fetched = self.kept = self.repaired = 0

    def copy(self, tile: Tile) -> None:
        path = self._folder / format_tile_path(tile)
        found = _read(path)
        if found is not None and self._is_right(tile, found):
            self.kept += 1
        else:
            self.repaired += found is not None
            self.fetched += 1
            _write(path, self._fetch(tile))
        if tile.width == TILE_WIDTH:
            shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)

    def _is_right(self, tile: Tile, data: bytes) -> bool:
        if tile.level is not None:
            return len(data) == tile.width * HASH_BYTES and self._view.tiles.holds(tile.level, tile.number, data)
        try:
            entries = decode_bundle(data, tile.width)
        except LedgerError:
            return False
        return [leaf_hash(entry) for entry in entries] == self._view.tiles.leaf_hashes(tile.number)

    def _fetch(self, tile: Tile) -> bytes:
        if tile.level is not None:
            return b"".join(self._view.tiles.hashes(tile.level, tile.number))
        return encode_bundle(self._view.entries(tile.number))


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(TILE_WIDTH * (2 + ENTRY_BYTES_MAX) + 1)
    except FileNotFoundError:
        return None


def _write(path: Path, data: bytes) -> None:
    replace_file(path, data, SHARED)
