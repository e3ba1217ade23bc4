"""Source files of a conversion: mapped into memory, and named by base name and SHA-256."""

import hashlib
import mmap
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from inference.errors import ConversionError

SOURCE_BYTES_MAX = 1 << 38


@dataclass(frozen=True, slots=True)
class Source:
    """One file's bytes. `name` is the base name: where a file stood does not enter the model."""

    name: str
    data: memoryview

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.data).digest()

    @classmethod
    def open(cls, path: str | Path) -> "Source":
        """Map a regular file. Raises ConversionError (`source_unreadable`)."""
        name = os.path.basename(path)
        try:
            name.encode("utf-8")
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise ConversionError("source_unreadable", f"{path!r}: source cannot be opened: {error}") from error
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= SOURCE_BYTES_MAX:
                raise ConversionError("source_unreadable", f"{path}: not a regular file, empty or too large")
            return cls(name, memoryview(mmap.mmap(handle, status.st_size, access=mmap.ACCESS_READ)))
        except OSError as error:
            raise ConversionError("source_unreadable", f"{path}: source cannot be read: {error.strerror}") from error
        finally:
            os.close(handle)
