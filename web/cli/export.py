"""A log as static files, in the layout of C2SP tlog-tiles."""

from collections.abc import Callable
from pathlib import Path

from ledger.checkpoint import parse_checkpoint
from ledger.cosigned import CosignedCheckpoints
from ledger.errors import ParseError
from ledger.log import Log
from ledger.note import NOTE_BYTES_MAX
from ledger.policy import Policy
from ledger.tiles import TILE_WIDTH, Tile, format_tile_path, tiles_of
from web.cli.output import CommandError, Exit
from web.files import SHARED, replace_file


def export_log(
    log: Log, folder: Path, advance: Callable[[int, int], None], policy: Policy | None = None
) -> tuple[int, int]:
    """Write all tiles and bundles of the published tree, then its checkpoint; returns (entries, files written).

    With a policy that is the newest checkpoint that its quorum cosigned, if there is one, and if no more is there yet.

    The checkpoint comes last, so that whoever reads meanwhile never lacks a tile. Full tiles that are there already
    are left alone. Raises CommandError (`other_log`) for a folder that holds another log.
    """
    exported, head = _exported_size(folder / "checkpoint", log), log.head()
    if policy is not None:
        witnessed = CosignedCheckpoints(log.database, policy, log.key).witnessed(head.size)
        head = witnessed if witnessed is not None and witnessed.size >= exported else head
    note, size = head.note, head.size
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


def _exported_size(checkpoint: Path, log: Log) -> int:
    """Entries that were exported here before, of this very log; 0 for a new folder."""
    if not checkpoint.exists():
        return 0
    note = checkpoint.read_bytes()[:NOTE_BYTES_MAX]
    try:
        found, _ = parse_checkpoint(note)
    except ParseError:
        found = None
    if found is None or found.origin != log.origin:
        origin = note.split(b"\n", 1)[0][:200].decode("utf-8", errors="replace")
        raise CommandError(
            "other_log",
            f"{checkpoint.parent} holds the log {origin!r}, not {log.origin!r}",
            "choose another folder",
            Exit.UNCHECKED,
        )
    return found.size
