"""A log of many opaque entries, quickly: rows as the sequencer writes them, without statements that it would admit."""

from collections.abc import Callable

from ledger import checkpoint, store
from ledger.checkpoint import Checkpoint
from ledger.keys import SigningKey
from ledger.log import Log
from ledger.merkle import Frontier, leaf_hash
from ledger.store import EntryRow, Head
from ledger.stored_hashes import frontier_indexes
from ledger.tile_hashes import TILE_BITS, TileHashes


def fill(log: Log, size: int, key: SigningKey, statement_of: Callable[[int], bytes] = b"entry %d".__mod__) -> None:
    """Grow `log` to `size` entries, `entry 0`, `entry 1`, ... or others, and sign it, in one transaction."""
    with log.database.write() as connection:
        head = store.read_head(connection, lock=True)
        hashes = TileHashes(connection).read_hashes(frontier_indexes(head.size)) if head.size else []
        frontier = Frontier(head.size, hashes)
        nodes, rows = [], []
        for index in range(head.size, size):
            statement = statement_of(index)
            leaf = leaf_hash(statement)
            for height, value in enumerate(frontier.append(leaf)):
                level, within = divmod(height, TILE_BITS)
                if level and not within:
                    nodes.append({"level": level, "position": index >> height, "hash": value})
            rows.append(EntryRow(index, leaf, "generation", 0, index, 0, 0, None, statement))
        store.insert_entries(connection, rows)
        store.insert_nodes(connection, nodes)
        signed = Checkpoint(log.origin, size, frontier.root())
        store.replace_head(connection, head, Head(size, signed.root, checkpoint.sign(signed, [key])))
