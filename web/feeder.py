"""Brings each new checkpoint to the witnesses of the policy and keeps what they sign. Appends never wait for it.

One thread watches the log's head; one thread a witness asks, so that a slow or dead witness holds up nobody. While a
witness answers, the log may grow by thousands of entries: it is then asked for the newest head, not for each.
"""

import logging
import threading
import time
from dataclasses import dataclass, replace

from ledger.cosigned import CosignedCheckpoints
from ledger.errors import LedgerError, StoreError
from ledger.policy import Party, Policy
from ledger.reader import LogReader
from ledger.store import Head
from ledger.witness.feed import request_cosignature
from web.errors import SettingsError
from web.witness_http import WitnessClient

WATCH_SECONDS = 0.25  # between two looks at the head
PACE_SECONDS = 1.0  # between two requests to one witness
REFRESH_SECONDS = 600.0  # after which an unchanged head is cosigned again: the time in the line says that we live
BACKOFF_SECONDS = (1.0, 300.0)  # after a failure, doubled with each further one
JOIN_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WitnessState:
    """How one witness stands to this log."""

    name: str
    size: int  # of the last checkpoint that it cosigned, as far as this process knows; 0: none yet
    time: int | None  # of that cosignature, Unix seconds
    failure: str | None  # code of the last error; None since it answered well
    failures: int  # in a row


class Feeder:
    """Started by the service, after the fork; stopped with it."""

    def __init__(self, log: LogReader, policy: Policy, cosigned: CosignedCheckpoints) -> None:
        """SettingsError `witness_url`, ClientError `bad_url` for a witness that cannot be asked."""
        self._log = log
        self._cosigned = cosigned
        self._changed = threading.Condition()  # guards the three below
        self._head: Head | None = None
        self._stopped = False
        self._states: dict[str, WitnessState] = {}
        self._threads: list[threading.Thread] = []
        self._parties = dict(policy.witnesses)
        for name, party in self._parties.items():
            if party.url is None:
                raise SettingsError("witness_url", f"the policy has no URL for witness {name!r}, so it cannot be asked")
            WitnessClient(party.url).close()
            self._states[name] = WitnessState(party.key.name, 0, None, None, 0)

    def start(self) -> None:
        """Returns at once."""
        self._threads = [threading.Thread(target=self._watch, name="rail-feeder", daemon=True)]
        for name, party in self._parties.items():
            thread = threading.Thread(target=self._feed, args=(name, party), name=f"rail-witness-{name}", daemon=True)
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stops; a request that is under way is given JOIN_SECONDS."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)

    def states(self) -> list[WitnessState]:
        with self._changed:
            return list(self._states.values())

    # The threads

    def _watch(self) -> None:
        while not self._pause(WATCH_SECONDS):
            try:
                head = self._log.head()
            except LedgerError as error:
                _log.warning("feeder_cannot_read", extra={"code": error.code})
                continue
            with self._changed:
                if self._head is None or head.size != self._head.size:
                    self._head = head
                    self._changed.notify_all()

    def _feed(self, name: str, party: Party) -> None:
        assert party.url is not None
        client = WitnessClient(party.url)
        fed: Head | None = None
        fed_at = 0.0
        try:
            while (head := self._next_head(fed, fed_at)) is not None:
                try:
                    cosigned = request_cosignature(
                        head.note,
                        party.key,
                        self._state(name).size,
                        self._log.prove_consistency,
                        client.add_checkpoint,
                    )
                    self._cosigned.add(head.note, cosigned.line)
                except Exception as error:
                    if self._pause(max(self._failed(name, error), client.retry_after)):
                        return
                    continue
                fed, fed_at = head, time.monotonic()
                self._update(name, size=head.size, time=cosigned.time, failure=None, failures=0)
                if self._pause(PACE_SECONDS):
                    return
        finally:
            client.close()

    def _next_head(self, fed: Head | None, fed_at: float) -> Head | None:
        """Waits for a head that this witness has not cosigned, or whose cosignature got old; None when stopped."""
        with self._changed:
            while not self._stopped:
                age = time.monotonic() - fed_at
                if self._head is not None and (fed is None or fed.size != self._head.size or age >= REFRESH_SECONDS):
                    return self._head
                self._changed.wait(None if fed is None else max(REFRESH_SECONDS - age, 0))
        return None

    def _failed(self, name: str, error: Exception) -> float:
        """Remembers the failure; returns how long to leave the witness alone."""
        code = error.code if isinstance(error, LedgerError) else "internal_error"
        failures = self._state(name).failures + 1
        fields = {"witness": name, "code": code, "failures": failures}
        if not isinstance(error, LedgerError):
            _log.exception("witness_failed", extra=fields)
        else:
            level = logging.INFO if isinstance(error, StoreError) else logging.WARNING
            _log.log(level, "witness_failed", extra={**fields, "reason": str(error)})
        self._update(name, failure=code, failures=failures)
        first, most = BACKOFF_SECONDS
        return min(first * 2 ** min(failures - 1, 16), most)

    def _state(self, name: str) -> WitnessState:
        with self._changed:
            return self._states[name]

    def _update(self, name: str, **changes: object) -> None:
        with self._changed:
            self._states[name] = replace(self._states[name], **changes)  # type: ignore[arg-type]

    def _pause(self, seconds: float) -> bool:
        """Waits, unless told to stop; whether it was."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._stopped and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._stopped
