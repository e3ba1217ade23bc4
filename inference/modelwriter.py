"""Writing `.rail` files, format `rail-model/2` (SPEC.md, "Model file")."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from inference.config import ModelConfig
from inference.directory import Directory
from inference.errors import ModelFileError
from inference.layout import DTYPES, matrix_shapes, tensor_specs
from inference.modelfile import DIRECTORY_BYTES_MAX, ModelFile, frame
from inference.modelroot import data_root
from inference.vocabulary import Vocabulary

READ_BYTES = 1 << 20


class ModelWriter:
    """Takes a model's tensors one at a time, in any order and in parts, and keeps none of them.

    The bytes depend on what is written alone, not on `path`. The file appears under its name when it is finished, and
    not at all otherwise: use as a context manager. Raises ModelFileError for content that a reader would refuse, and
    for a disk that does not take it (`unwritable`).
    """

    def __init__(
        self,
        path: str | Path,
        config: ModelConfig,
        vocabulary: Vocabulary,
        chat_template: str | None,
        provenance: dict[str, Any],
    ) -> None:
        self._path = Path(path)
        self._about = (config, vocabulary, chat_template, provenance)
        self._specs = {spec.name: spec for spec in tensor_specs(config)}
        self._missing = {name: spec.size_bytes for name, spec in self._specs.items()}
        # Neither exponents nor hash change the length of the directory.
        front = self._front(dict.fromkeys(matrix_shapes(config), 16), bytes(32))
        self._start = len(front)
        try:
            handle, self._temporary = tempfile.mkstemp(
                prefix=self._path.name + ".", suffix=".partial", dir=self._path.parent
            )
        except OSError as error:
            raise self._unwritable(error) from error
        self._file = os.fdopen(handle, "w+b")
        try:
            self._file.truncate(self._start + max(spec.end for spec in self._specs.values()))
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from error

    def write(self, name: str, tensor: np.ndarray, first: int = 0) -> None:
        """Items of a tensor from index `first` of its first axis on."""
        spec = self._specs[name]
        part = (len(tensor), *spec.shape[1:])
        if tensor.dtype != np.dtype(DTYPES[spec.type]) or tensor.shape != part or first + len(tensor) > spec.shape[0]:
            raise ModelFileError(
                "tensor_shape", f"tensor {name} is {tensor.dtype} {tensor.shape}, must be {spec.type} {spec.shape}"
            )
        data = np.ascontiguousarray(tensor, dtype=DTYPES[spec.type])
        self._missing[name] -= data.nbytes
        try:
            self._file.seek(self._start + spec.offset + first * (spec.size_bytes // spec.shape[0]))
            self._file.write(data.data)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self, exponents: Mapping[str, int]) -> bytes:
        """Hash, check and name the file; its model root."""
        absent = sorted(name for name, missing in self._missing.items() if missing)
        if absent:
            raise ModelFileError("tensor_set", f"tensor {absent[0]} was not written, or more than once")
        try:
            self._file.seek(self._start)
            hashed = data_root(iter(lambda: self._file.read(READ_BYTES), b""))
            self._file.seek(0)
            self._file.write(self._front(exponents, hashed))
            self._file.flush()
            os.fsync(self._file.fileno())
            _forget_pages(self._file.fileno())
            os.chmod(self._temporary, 0o644)
            with ModelFile.open(self._temporary, use_cache=False) as model:
                root = model.root
            os.replace(self._temporary, self._path)
        except OSError as error:
            raise self._unwritable(error) from error
        return root

    def _front(self, exponents: Mapping[str, int], hashed: bytes) -> bytes:
        config, vocabulary, chat_template, provenance = self._about
        encoded = Directory(config, exponents, vocabulary, chat_template, provenance, hashed).encode()
        if len(encoded) > DIRECTORY_BYTES_MAX:
            raise ModelFileError("directory_length", f"{self._path}: a directory of {len(encoded)} bytes is too long")
        return frame(encoded)

    def _unwritable(self, error: OSError) -> ModelFileError:
        return ModelFileError("unwritable", f"{self._path}: cannot be written: {error.strerror}")

    def __enter__(self) -> "ModelWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._discard()

    def _discard(self) -> None:
        """Close the unnamed file and remove it, if it has no name yet. What a full disk still owes it is lost too."""
        with suppress(OSError):
            self._file.close()
        with suppress(FileNotFoundError):
            os.unlink(self._temporary)


def _forget_pages(file: int) -> None:
    """Drop what writing left in the cache, in small pages: who maps the file reads it again, in large ones
    (`ModelFile`), and weights stream up to 30 % faster."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
