"""The reading half: every checkpoint is signed, extends the one before, and includes what was acknowledged.

A log with witnesses may publish a checkpoint some seconds after it acknowledged, so that an entry beyond the published
size is a fault only at the end, after a wait.
"""

import random
import threading
import time
from dataclasses import dataclass, field

from ledger.errors import LedgerError
from ledger.keys import VerifyKey
from ledger.merkle import check_consistency, prove_consistency
from ledger.tiles import TILE_WIDTH
from web.audit.errors import LogBroken
from web.audit.log import LogView
from web.audit.source import TileSource
from web.client import ClientError, RailClient
from web.hammer.writers import Written

SAMPLE = 20  # acknowledged entries whose inclusion a reader checks in each checkpoint
PAUSE_SECONDS = 0.05
PUBLISHED_SECONDS = 60.0


@dataclass(slots=True)
class Seen:
    """What the readers checked. Shared by all threads, under the lock of `Written`."""

    checkpoints: int = 0
    consistency: int = 0
    inclusions: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)  # of every size that was seen


def read(url: str, key: VerifyKey, written: Written, seen: Seen, stop: threading.Event) -> None:
    """Follow the log until told to stop."""
    chance = random.Random()
    last: LogView | None = None
    with RailClient(url) as client:
        while not stop.is_set():
            with written.lock:
                told = list(written.acknowledged.items())
            try:
                last = look(client, key, last, written, seen)
                include(last, chance.sample(told, min(SAMPLE, len(told))), written, seen)
            except ClientError as error:
                written.errors[f"read_{error.code}"] += 1
            except (LogBroken, LedgerError) as error:
                written.fault(f"[{error.code}] {error}")
            time.sleep(PAUSE_SECONDS)


def look(client: RailClient, key: VerifyKey, last: LogView | None, written: Written, seen: Seen) -> LogView:
    """The log's present checkpoint and the tiles at its edge, held against all that was seen before."""
    source = TileSource(client)
    view = LogView(source, source.checkpoint(), key)
    new = view.checkpoint
    with written.lock:
        seen.checkpoints += 1
        known = seen.roots.setdefault(new.size, new.root)
    if known != new.root:
        written.fault(f"the log signed two roots for size {new.size}")
    if last is not None:
        old = last.checkpoint
        if new.size < old.size:
            written.fault(f"the log went back from size {old.size} to {new.size}")
            return view
        proof = prove_consistency(old.size, new.size, view.tiles)
        check_consistency(old.size, old.root, new.size, new.root, proof)
        with written.lock:
            seen.consistency += 1
    return view


def look_for_all(client: RailClient, key: VerifyKey, written: Written, seen: Seen) -> LogView:
    """The last checkpoint, with everything that was acknowledged in its tree."""
    needed = max(written.acknowledged, default=-1) + 1
    deadline = time.monotonic() + PUBLISHED_SECONDS
    while (view := look(client, key, None, written, seen)).checkpoint.size < needed and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    if view.checkpoint.size < needed:
        written.fault(f"entry {needed - 1} was acknowledged, but is not in the tree of size {view.checkpoint.size}")
    include(view, list(written.acknowledged.items()), written, seen)
    return view


def include(view: LogView, told: list[tuple[int, bytes]], written: Written, seen: Seen) -> None:
    """That those of some entries which the checkpoint covers are in its tree where they were said to be.

    The tiles are authenticated up to the signed root, so a leaf hash among them is proof of inclusion.
    """
    told = sorted(item for item in told if item[0] < view.checkpoint.size)
    for index, expected in told:
        if view.tiles.leaf_hashes(index // TILE_WIDTH)[index % TILE_WIDTH] != expected:
            written.fault(f"entry {index} is not the one that was acknowledged")
    with written.lock:
        seen.inclusions += len(told)
