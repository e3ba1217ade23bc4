"""Remembers which model files were verified, so that opening one does not hash it each time.

A file counts as unchanged while device, inode, size, modification time and change time are the same. The change
time cannot be set by a program, so writing into the file and putting the old modification time back is noticed.
Who can write to this cache can replace the engine as well; it protects against nothing and saves only time.
"""

import json
import os
import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ENTRIES_MAX = 256
_BYTES_MAX = 1 << 16
_SETTLED_NS = 2_000_000_000  # a younger file may change again within one tick of the file system's clock
_ROOT = re.compile(r"[0-9a-f]{64}")


def cache_path() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(folder, "rail", "verified-models.json")


def lookup(status: os.stat_result) -> bytes | None:
    """Root of the file with this status, if it was verified and is unchanged; None otherwise."""
    root = _load().get(_key(status))
    return None if root is None else bytes.fromhex(root)


def remember(path: Path, status: os.stat_result, root: bytes) -> None:
    """Record that `path` was verified. `status` is from before; a file that changed since is not recorded.

    A cache that cannot be written costs time at the next opening and nothing else, so failures are ignored.
    """
    with suppress(OSError):
        now = os.stat(path)
        if _key(now) != _key(status) or time.time_ns() - max(now.st_ctime_ns, now.st_mtime_ns) < _SETTLED_NS:
            return
        entries = _load()
        entries.pop(_key(now), None)
        entries[_key(now)] = root.hex()
        newest = dict(list(entries.items())[-ENTRIES_MAX:])
        _store(cache_path(), json.dumps(newest, indent=0).encode())


def _key(status: os.stat_result) -> str:
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return ":".join(map(str, parts))


def _load() -> dict[str, str]:
    """The entries, oldest first. Anything unreadable or odd counts as absent."""
    try:
        with open(cache_path(), "rb") as file:
            entries = json.loads(file.read(_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    if type(entries) is not dict:
        return {}
    return {key: root for key, root in entries.items() if type(root) is str and _ROOT.fullmatch(root)}


def _store(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
