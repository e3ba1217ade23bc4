"""Fetches tiles and entry bundles of a tlog-tiles log, from a RAIL service or from any static server."""

from ledger.merkle import HASH_BYTES
from ledger.tiles import ENTRY_BYTES_MAX, TILE_WIDTH, Tile, decode_bundle, format_tile_path
from web.audit.errors import LogBroken
from web.client import ClientError, RailClient

CHECKPOINT_BYTES_MAX = 64 << 10


class TileSource:
    """Unchecked pieces of one log; the callers hold them against the signed root."""

    def __init__(self, client: RailClient) -> None:
        self._client = client

    def checkpoint(self) -> bytes:
        return self._client.get("/checkpoint", CHECKPOINT_BYTES_MAX)

    def hashes(self, level: int, number: int, width: int) -> list[bytes]:
        """The first `width` hashes of a tile. Raises LogBroken (`tile_length`) or ClientError."""
        data, sent = self._fetch(Tile(level, number, width), HASH_BYTES)
        if len(data) != sent * HASH_BYTES:
            name = format_tile_path(Tile(level, number, sent))
            raise LogBroken("tile_length", f"{name} has {len(data)} bytes instead of {sent * HASH_BYTES}")
        return [data[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES)]

    def entries(self, number: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle. Raises ParseError or ClientError."""
        data, sent = self._fetch(Tile(None, number, width), 2 + ENTRY_BYTES_MAX)
        return decode_bundle(data, sent)[:width]

    def _fetch(self, tile: Tile, item_bytes: int) -> tuple[bytes, int]:
        """The tile and its width: a server may have dropped a partial tile once the full one exists."""
        try:
            return self._client.get("/" + format_tile_path(tile), tile.width * item_bytes), tile.width
        except ClientError as error:
            if error.status != 404 or tile.width == TILE_WIDTH:
                raise
        full = Tile(tile.level, tile.number)
        return self._client.get("/" + format_tile_path(full), TILE_WIDTH * item_bytes), TILE_WIDTH
