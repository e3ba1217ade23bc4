"""Writing `.rail` files, format `rail-model/1` (SPEC.md, "Model file")."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from inference.config import ModelConfig
from inference.directory import Directory
from inference.errors import ModelFileError
from inference.layout import DTYPES, TensorSpec, tensor_specs
from inference.modelfile import DIRECTORY_BYTES_MAX, ModelFile, Tensors, frame
from inference.modelroot import data_root


class IntegerModel(Protocol):
    """What the quantiser makes and a file stores: configuration, tensors and the exponents of the matrices."""

    @property
    def config(self) -> ModelConfig: ...
    @property
    def tensors(self) -> Tensors: ...
    @property
    def exponents(self) -> Mapping[str, int]: ...


def write_model(
    path: str | Path, quantised: IntegerModel, tokenizer: bytes, chat_template: str | None, provenance: dict[str, Any]
) -> bytes:
    """Write a model file and return its root. The bytes depend on the arguments alone, not on `path`.

    The file appears under its name only when it is complete. Raises ModelFileError for content that a reader would
    refuse, and for a disk that does not take it (`unwritable`).
    """
    path = Path(path)
    specs = tensor_specs(quantised.config)
    hashed = data_root(_stored_bytes(quantised.tensors, spec) for spec in specs)
    directory = Directory(quantised.config, quantised.exponents, tokenizer, chat_template, provenance, hashed)
    encoded = directory.encode()
    if len(encoded) > DIRECTORY_BYTES_MAX:
        raise ModelFileError("directory_length", f"{path}: a directory of {len(encoded)} bytes is too long")
    try:
        handle, temporary = tempfile.mkstemp(prefix=path.name + ".", suffix=".partial", dir=path.parent)
    except OSError as error:
        raise ModelFileError("unwritable", f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(frame(encoded))
            for spec in specs:
                file.write(_stored_bytes(quantised.tensors, spec))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        model = ModelFile.open(temporary, use_cache=False)
        os.replace(temporary, path)
    except OSError as error:
        raise ModelFileError("unwritable", f"{path}: cannot be written: {error.strerror}") from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    return model.root


def _stored_bytes(tensors: Tensors, spec: TensorSpec) -> bytes:
    """A tensor and its zero padding, after a check of type and shape."""
    tensor = tensors.get(spec.name)
    if tensor is None or tensor.shape != spec.shape or tensor.dtype != np.dtype(DTYPES[spec.type]):
        found = "missing" if tensor is None else f"{tensor.dtype} {tensor.shape}"
        raise ModelFileError("tensor_shape", f"tensor {spec.name} is {found}, must be {spec.type} {spec.shape}")
    return tensor.astype(DTYPES[spec.type], order="C").tobytes() + bytes(spec.end - spec.offset - spec.size_bytes)
