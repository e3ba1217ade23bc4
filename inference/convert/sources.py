"""Source files of a conversion: mapped into memory, and named by base name and SHA-256."""

import hashlib
import mmap
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from inference.errors import ConversionError

SOURCE_BYTES_MAX = 1 << 38
_CHUNK_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One file's bytes. `name` is the base name: where a file stood does not enter the model."""

    name: str
    data: memoryview

    @property
    def digest(self) -> bytes:
        digest = hashlib.sha256()
        for at in range(0, len(self.data), _CHUNK_BYTES):
            digest.update(self.data[at : at + _CHUNK_BYTES])
            self.release()
        return digest.digest()

    def release(self) -> None:
        """Count the pages read so far as ours no longer: who reads a file of any size holds a part of it at a time.

        Views of the data stay valid; their pages come back when they are touched.
        """
        if isinstance(self.data.obj, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.data.obj.madvise(mmap.MADV_DONTNEED)

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
