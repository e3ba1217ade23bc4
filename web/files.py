"""Writing a file so that a crash leaves the old one or the new one, never a part."""

import os
import tempfile
from pathlib import Path

PRIVATE = 0o600
SHARED = 0o644


def replace_file(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write `data` to `path` in one durable step. A folder that is missing is made, private if the file is."""
    path.parent.mkdir(mode=0o700 if mode == PRIVATE else 0o755, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
