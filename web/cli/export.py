"""A log as static files, in the layout of C2SP tlog-tiles."""

from collections.abc import Callable
from pathlib import Path

from ledger.checkpoint import open_checkpoint
from ledger.log import Log
from ledger.tiles import TILE_WIDTH, Tile, format_tile_path, tiles_of
from web.cli.output import CommandError, Exit
from web.files import SHARED, replace_file


def export_log(log: Log, folder: Path, advance: Callable[[int, int], None]) -> tuple[int, int]:
    """Write all tiles and bundles of the published tree, then its checkpoint; returns (entries, files written).

    The checkpoint comes last, so that whoever reads meanwhile never lacks a tile. Full tiles that are there already
    are left alone. Raises CommandError (`other_log`) for a folder that holds another log.
    """
    note = log.checkpoint()
    size = open_checkpoint(note, log.key, log.origin).size
    _check_folder(folder / "checkpoint", log)
    tiles = tiles_of(size)
    written = 0
    for done, tile in enumerate(tiles, 1):
        path = folder / format_tile_path(tile)
        if tile.width < TILE_WIDTH or not path.exists():
            replace_file(path, _content(log, tile), SHARED)
            written += 1
        advance(done, len(tiles))
    replace_file(folder / "checkpoint", note, SHARED)
    return size, written + 1


def _content(log: Log, tile: Tile) -> bytes:
    if tile.level is None:
        return log.entry_bundle(tile.number, tile.width)
    return log.hash_tile(tile.level, tile.number, tile.width)


def _check_folder(checkpoint: Path, log: Log) -> None:
    """What was exported here before must be an earlier state of this very log."""
    if checkpoint.exists():
        origin = checkpoint.read_bytes()[:1000].split(b"\n", 1)[0].decode("utf-8", errors="replace")
        if origin != log.origin:
            raise CommandError(
                "other_log",
                f"{checkpoint.parent} holds the log {origin!r}, not {log.origin!r}",
                "choose another folder",
                Exit.UNCHECKED,
            )
