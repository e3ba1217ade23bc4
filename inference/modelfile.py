"""Reading `.rail` files, format `rail-model/2` (SPEC.md, "Model file").

    0      8 bytes   magic
    8      u32       version, 2
    12     u32       reserved, 0
    16     u64       length of the directory in bytes
    24     ...       directory
    ...    32 bytes  SHA-256 of all bytes before, then zeros to a multiple of 4096
    ...    ...       data section: tensors at multiples of 64, zeros between them, nothing after the last

Integers are little endian. A file that breaks a rule raises ModelFileError and takes no memory first.
"""

import hashlib
import mmap
import os
import stat
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference import verified
from inference.directory import Directory
from inference.errors import ModelFileError
from inference.layout import DTYPES, TensorSpec, round_up, tensor_specs
from inference.matrices import padding_is_empty
from inference.modelroot import file_roots

MAGIC = b"\x89RAIL\r\n\x1a"  # a text-mode transfer or a 7-bit channel would damage it visibly
VERSION = 2
HEADER = struct.Struct("<8sIIQ")
DIGEST_BYTES = 32
DATA_ALIGNMENT = 4096
DIRECTORY_BYTES_MAX = 20 << 20

Tensors = Mapping[str, NDArray[Any]]


def frame(directory: bytes) -> bytes:
    """All bytes before the data section of a file with this encoded directory."""
    front = HEADER.pack(MAGIC, VERSION, 0, len(directory)) + directory
    front += hashlib.sha256(front).digest()
    return front + bytes(-len(front) % DATA_ALIGNMENT)


class ModelFile:
    """An open model: checked directory and read-only tensors that are views of the mapped file.

    Replace a model file by renaming a new one over it. Cutting a mapped file short in place makes the operating
    system end the process (SIGBUS) at the next read, which no check here can prevent.
    """

    def __init__(self, path: Path, directory: Directory, tensors: Tensors, size_bytes: int, root: bytes | None) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.config = directory.config
        self.exponents = MappingProxyType(dict(directory.exponents))
        self.vocabulary = directory.vocabulary
        self.chat_template = directory.chat_template
        self.provenance = MappingProxyType(dict(directory.provenance))
        self.tensors = tensors
        self._root = root

    @classmethod
    def open(
        cls, path: str | Path, expected_root: bytes | None = None, verify: bool = True, use_cache: bool = True
    ) -> "ModelFile":
        """Open and check a file. Raises ModelFileError.

        With `verify`, the model root is computed and the tensors are checked, first of all against the directory's
        data root (`data_damaged`), unless this very file was checked before (`inference.verified`;
        `use_cache=False` checks again). Without, only the header and the directory are checked, `root` cannot be
        read, and `expected_root` is refused. A root other than `expected_root` is ModelFileError (`root_mismatch`).
        """
        if expected_root is not None and not verify:
            raise ModelFileError("not_verified", f"{path}: expected_root needs verify=True")
        path = Path(path)
        mapped, status = _map_file(path)
        directory, data_start = _parse_front(mapped, path)
        specs = tensor_specs(directory.config)
        if data_start + specs[-1].end != len(mapped):
            raise ModelFileError(
                "file_size",
                f"{path}: {len(mapped)} bytes, its directory asks for {data_start + specs[-1].end}; "
                "the file was cut short or something follows the last tensor",
            )
        tensors = MappingProxyType({spec.name: _view(mapped, data_start, spec) for spec in specs})
        root = None
        if verify:
            root = verified.lookup(status) if use_cache else None
            if root is None:
                root, data_root = file_roots(memoryview(mapped), data_start)
                if data_root != directory.data_root:
                    raise _damaged("data_damaged", path, "the tensors do not have the hash that the directory states")
                _check_data(mapped, data_start, specs, tensors, path)
                verified.remember(path, status, root)
            if expected_root not in (None, root):
                raise ModelFileError(
                    "root_mismatch",
                    f"{path}: model root is {root.hex()}, expected {expected_root.hex() if expected_root else ''}; "
                    "this is another model, sound in itself",
                )
        return cls(path, directory, tensors, len(mapped), root)

    @property
    def root(self) -> bytes:
        """The model root, 32 bytes. ModelFileError (`not_verified`) if opened with `verify=False`."""
        if self._root is None:
            raise ModelFileError("not_verified", f"{self.path}: opened without verification, so its root is unknown")
        return self._root

    def close(self) -> None:
        """Drop the tensors. The mapping itself ends when nobody holds one of them any more."""
        self.tensors = MappingProxyType({})

    def __enter__(self) -> "ModelFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _map_file(path: Path) -> tuple[mmap.mmap, os.stat_result]:
    """Map a regular file of at least a header's length for reading."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise ModelFileError("unreadable", f"{path}: model file cannot be opened: {error}") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ModelFileError("unreadable", f"{path}: not a regular file")
        if status.st_size < HEADER.size:
            raise ModelFileError("header_truncated", f"{path}: {status.st_size} bytes are too few for a model file")
        mapped = mmap.mmap(handle, status.st_size, access=mmap.ACCESS_READ)
        # Larger pages, where the system has them for files: weights stream from memory or cache 10 to 15 % faster.
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):
                mapped.madvise(mmap.MADV_HUGEPAGE)
        return mapped, status
    except OSError as error:
        raise ModelFileError("unreadable", f"{path}: model file cannot be mapped: {error.strerror}") from error
    finally:
        os.close(handle)


def _parse_front(mapped: mmap.mmap, path: Path) -> tuple[Directory, int]:
    """The directory, and the offset of the data section."""
    magic, version, reserved, length = HEADER.unpack_from(mapped)
    if magic != MAGIC:
        raise ModelFileError("not_a_model", f"{path}: not a .rail model file; make one with `rail convert`")
    if version != VERSION:
        raise ModelFileError("unsupported_version", f"{path}: format version {version}, this program reads {VERSION}")
    if reserved:
        raise ModelFileError("header_reserved", f"{path}: reserved header field is {reserved}, must be 0")
    if not 0 < length <= DIRECTORY_BYTES_MAX:
        raise ModelFileError(
            "directory_length", f"{path}: directory of {length} bytes, must be 1 to {DIRECTORY_BYTES_MAX}"
        )
    directory_end = HEADER.size + length
    end = directory_end + DIGEST_BYTES
    data_start = round_up(end, DATA_ALIGNMENT)
    if data_start > len(mapped):
        raise ModelFileError("directory_truncated", f"{path}: {len(mapped)} bytes end inside the directory")
    if hashlib.sha256(memoryview(mapped)[:directory_end]).digest() != mapped[directory_end:end]:
        raise _damaged("directory_damaged", path, "the directory does not have the hash that follows it")
    if any(mapped[end:data_start]):
        raise ModelFileError("padding", f"{path}: bytes between directory and data are not zero")
    return Directory.decode(mapped[HEADER.size : directory_end]), data_start


def _damaged(code: str, path: Path, what: str) -> ModelFileError:
    return ModelFileError(code, f"{path}: {what}; the file is damaged, download it or convert it again")


def _view(mapped: mmap.mmap, data_start: int, spec: TensorSpec) -> NDArray[Any]:
    """A read-only array on the file's own pages."""
    count = spec.size_bytes // np.dtype(DTYPES[spec.type]).itemsize
    flat = np.frombuffer(mapped, DTYPES[spec.type], count, data_start + spec.offset)
    return flat.reshape(spec.shape)


def _check_data(mapped: mmap.mmap, data_start: int, specs: list[TensorSpec], tensors: Tensors, path: Path) -> None:
    """What the kernels rely on: no weight of -128, and nothing wherever there is padding."""
    for spec in specs:
        if any(mapped[data_start + spec.offset + spec.size_bytes : data_start + spec.end]):
            raise ModelFileError("padding", f"{path}: bytes after tensor {spec.name} are not zero")
        if spec.matrix is None:
            continue
        if tensors[spec.name].ndim == 4 and not tensors[spec.name].all():
            raise ModelFileError("weight_range", f"{path}: tensor {spec.name} has a weight of -128")
        codes = tensors.get(f"{spec.name}.code")
        empty = codes is None or not codes[:, -(-spec.matrix[1] // 4) :].any()
        if not empty or not padding_is_empty(tensors[spec.name], *spec.matrix):
            raise ModelFileError("padding", f"{path}: padding of tensor {spec.name} has weights")
    if "codebooks" in tensors and not tensors["codebooks"].all():
        raise ModelFileError("weight_range", f"{path}: a codebook has a weight of -128")
