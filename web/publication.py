"""Which checkpoint the service shows: the head of the log, or with witnesses the newest one that a quorum cosigned.

On a busy log the head is always newer than what witnesses had time to cosign; a client that requires a quorum could
never use it. So with a policy, `/checkpoint` is the newest checkpoint with a quorum. If the log grows and no quorum
comes for PATIENCE_SECONDS, it is the head again, with the lines that it has: witnesses that fail do not stop the log,
and who requires a quorum sees that there is none. What is shown never gets smaller while the process runs.
"""

import time
from threading import Lock

from ledger.cosigned import CosignedCheckpoints
from ledger.policy import Policy
from ledger.reader import LogReader
from ledger.store import Head

PATIENCE_SECONDS = 10.0


class Publication:
    """Safe for threads."""

    def __init__(self, log: LogReader, policy: Policy | None) -> None:
        """`policy` None: there are no witnesses, and the head is what is shown."""
        self.policy = policy
        self.cosigned = CosignedCheckpoints(log.database, policy, log.key) if policy is not None else None
        self._lock = Lock()
        self._floor = log.size()  # an earlier process may have shown this much
        self._behind_since: float | None = None  # when the log was first seen beyond the quorum's checkpoint
        self._quorum_size = -1

    def checkpoint(self, log: LogReader) -> bytes:
        """The signed note to publish now."""
        if self.cosigned is None:
            return log.checkpoint()
        with self._lock:  # around the reads too: an older head must not be shown after a newer one
            head = log.head()
            witnessed = self.cosigned.witnessed(head.size)
            if witnessed is not None and self._is_shown(witnessed.size, head.size):
                self._floor = max(self._floor, witnessed.size)
                return witnessed.note
            self._floor = max(self._floor, head.size)
        return self.cosigned.with_lines(head)

    def head_for(self, log: LogReader, index: int) -> Head | None:
        """The witnessed checkpoint, for a receipt of the entry, if it covers it; None: only the log's own head does."""
        witnessed = self.cosigned.witnessed(log.size()) if self.cosigned is not None else None
        return witnessed if witnessed is not None and index < witnessed.size else None

    def _is_shown(self, witnessed: int, head: int) -> bool:
        if witnessed != self._quorum_size or witnessed >= head:
            self._quorum_size, self._behind_since = witnessed, None
        if witnessed < head and self._behind_since is None:
            self._behind_since = time.monotonic()
        patient = self._behind_since is None or time.monotonic() - self._behind_since <= PATIENCE_SECONDS
        return witnessed >= self._floor and patient
