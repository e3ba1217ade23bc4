"""A lock that holds between threads and, through a file, between processes of one machine."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """Mutual exclusion over one file; the kernel frees it when a process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = threading.Lock()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock and keep it inside the block. Not reentrant."""
        with self._thread:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)
