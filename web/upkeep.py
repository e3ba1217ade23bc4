"""When a home's log was last checked, backed up and relieved of old content: a small file a task in HOME/upkeep."""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from web.files import replace_file

BACKUP, FSCK, FSCK_HASHES, RETAIN = TASKS = ("backup", "fsck", "fsck_hashes", "retain")


@dataclass(frozen=True, slots=True)
class Done:
    """The last run of a task to its end."""

    time: int  # Unix seconds
    size: int  # entries of the log
    faults: int


def record(home: Path, task: str, size: int, faults: int = 0) -> None:
    """Remember that `task` has just ended."""
    done = Done(int(time.time()), size, faults)
    replace_file(_path(home, task), f"{json.dumps(asdict(done))}\n".encode())


def last(home: Path, task: str) -> Done | None:
    """None if it never ended, or if the file cannot be read: either way somebody has to look."""
    with suppress(OSError, ValueError, TypeError):
        return Done(**json.loads(_path(home, task).read_bytes()))
    return None


def _path(home: Path, task: str) -> Path:
    return home / "upkeep" / f"{task}.json"
