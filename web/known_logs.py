"""What this client remembers of each log: its key, and the newest checkpoint that was shown to be of one history.

One file a log, named by the digest of its key. Whatever the client sees of that log later, from the log, a mirror or in
a receipt, is held against it; a log that shows different people different trees gives itself away here.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.checkpoint import open_checkpoint
from ledger.keys import VerifyKey
from web.audit.errors import AuditError, LogBroken
from web.audit.history import check_growth
from web.audit.log import LogView
from web.audit.source import TileSource
from web.audit.tiles import TileReader
from web.audit.trust import Tell, claimed_key
from web.client import ClientError, RailClient
from web.state_file import load_json, save_json

FORMAT = "rail-known-log/1"
STATE_BYTES_MAX = 1 << 20
URLS_MAX = 100


@dataclass(frozen=True, slots=True)
class KnownLog:
    """One log, as it was last seen."""

    key: VerifyKey
    checkpoint: bytes  # the signed note
    urls: tuple[str, ...]  # where it was seen; the key is pinned for each


@dataclass(frozen=True, slots=True)
class Followed:
    """A log as it shows itself now, once that was held against the last time."""

    view: LogView
    previous_size: int | None  # None: never seen before
    stale: bool  # it shows fewer entries than it did, of the same history


class KnownLogs:
    """The memory in one folder, which is made with the first log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: VerifyKey) -> KnownLog | None:
        """AuditError `state_unreadable` if the file is damaged."""
        return _load(self._path(key))

    def pinned(self, url: str) -> VerifyKey | None:
        """The key of the log that was seen at this address."""
        return next((known.key for known in self._all() if url in known.urls), None)

    def compare(self, key: VerifyKey, note: bytes) -> None:
        """Offline: LogBroken `log_forked` if this signed note is of the size that is known, with another root."""
        known = self.get(key)
        if known is not None and open_checkpoint(known.checkpoint, key).size == open_checkpoint(note, key).size:
            check_growth(known.checkpoint, note, key, None, self.folder)

    def follow(self, client: RailClient, given: VerifyKey | None, tell: Tell) -> Followed:
        """The log behind `client`, shown to be the one it was, and remembered. `given`: the key to hold it to.

        Without one it is the key pinned for this address, or at first sight the service's own claim, which `tell` hears
        of. Raises LogBroken (`log_forked` with evidence, `tile_root`, ...), AuditError (`checkpoint_stale`: fewer
        entries than before, and it cannot be shown that they are the same ones), ClientError, LedgerError.
        """
        key = given or self.pinned(client.url) or claimed_key(client, tell)
        source = TileSource(client)
        view = LogView(source, source.checkpoint(), key)
        known = self.get(key)
        stale = known is not None and self._check(known, view, source)
        if known is None or not stale:
            urls = () if known is None else known.urls
            self.remember(KnownLog(key, view.note, (*urls, client.url)))
        previous = None if known is None else open_checkpoint(known.checkpoint, key).size
        return Followed(view, previous, stale)

    def check_note(self, note: bytes, view: LogView, source: TileSource) -> None:
        """Whether another signed note of this log is of the same history as `view`; LogBroken, ClientError."""
        size = open_checkpoint(note, view.key).size
        if size <= view.checkpoint.size:
            check_growth(note, view.note, view.key, view.tiles, self.folder)
        else:
            newer = LogView(source, note, view.key)
            check_growth(view.note, note, view.key, newer.tiles, self.folder)

    def remember(self, log: KnownLog) -> None:
        """Replace what is known of this log. A crash leaves the old memory or the new one.

        An address is pinned to one key: the one that was last found good there.
        """
        for other in self._all():
            if other.key != log.key and set(other.urls) & set(log.urls):
                self._save(replace(other, urls=tuple(url for url in other.urls if url not in log.urls)))
        self._save(log)

    def _save(self, log: KnownLog) -> None:
        value = {
            "format": FORMAT,
            "log_vkey": log.key.vkey,
            "checkpoint": log.checkpoint.decode(),
            "urls": sorted(set(log.urls[-URLS_MAX:])),
        }
        save_json(self._path(log.key), value)

    def _check(self, known: KnownLog, view: LogView, source: TileSource) -> bool:
        """Whether the view is an older state of the known one; its history is checked either way."""
        before = open_checkpoint(known.checkpoint, known.key)
        if view.checkpoint.size >= before.size:
            check_growth(known.checkpoint, view.note, known.key, view.tiles, self.folder)
            return False
        try:
            tiles = TileReader(before, source)
        except (ClientError, LogBroken) as error:
            raise AuditError(
                "checkpoint_stale",
                f"{view.checkpoint.origin} was seen with {before.size} entries, and shows {view.checkpoint.size} here; "
                f"that these are the first of those cannot be checked ({error})",
                "a mirror or a cache may lag behind: try again later or elsewhere; a log that stays there went back",
            ) from error
        check_growth(view.note, known.checkpoint, known.key, tiles, self.folder)
        return True

    def _all(self) -> list[KnownLog]:
        paths = [path for path in sorted(self.folder.glob("*.json")) if not path.name.startswith("fork-")]
        return [known for path in paths if (known := _load(path)) is not None]

    def _path(self, key: VerifyKey) -> Path:
        return self.folder / f"{sha256(key.vkey.encode()).hexdigest()[:32]}.json"


def _load(path: Path) -> KnownLog | None:
    return load_json(
        path, STATE_BYTES_MAX, FORMAT, _parse, "the memory of a log", "to trust the log anew, from nothing"
    )


def _parse(value: dict[str, Any]) -> KnownLog:
    known = KnownLog(VerifyKey.parse(value["log_vkey"]), value["checkpoint"].encode(), tuple(value["urls"]))
    open_checkpoint(known.checkpoint, known.key)
    return known
