"""Fuzz targets of the model file: any bytes are a model that runs, or refused with a ModelFileError or TokenizerError.

Each target is a plain function, for any driver. A file that opens is run: whatever its weights say, no kernel may leave
its arrays or its bounds, which a build with sanitizers shows.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "inference"))

import cbor2
from tiny_model import write_tiny

import native
from inference.directory import Directory
from inference.engine import Engine
from inference.errors import InferenceError
from inference.modelfile import HEADER, ModelFile, frame
from inference.modelroot import data_root
from inference.sampling import SamplingParams

FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
PATH = Path(FOLDER.name) / "m.rail"


def directory_target(data: bytes) -> None:
    """A directory: one that is taken has no other encoding."""
    with _refusals():
        assert Directory.decode(data).encode() == data


def file_target(data: bytes) -> None:
    """A whole file; its hash of the directory is set right first, or nearly nothing would get any further."""
    if len(data) >= HEADER.size:
        end = HEADER.size + HEADER.unpack_from(data)[3]
        data = data[:end] + hashlib.sha256(data[:end]).digest() + data[end + 32 :]
    _open_and_run(data)


def weights_target(data: bytes) -> None:
    """Changes of a good file's tensors, four bytes each: where, in three bytes, and what. All hashes are right."""
    front, tensors = _parts(_INTACT)
    changed = bytearray(tensors)
    for at in range(0, len(data) - 3, 4):
        changed[int.from_bytes(data[at : at + 3], "little") % len(changed)] = data[at + 3]
    directory = cbor2.loads(front)
    directory["data_root"] = data_root([bytes(changed)])
    _open_and_run(frame(cbor2.dumps(directory, canonical=True)) + changed)


def _open_and_run(data: bytes) -> None:
    PATH.write_bytes(data)
    with _refusals(), ModelFile.open(PATH, use_cache=False) as model:
        engine = Engine(model, threads=1, kernels=native.backends()[data[-1] % len(native.backends())])
        prompt = engine.encode_prompt("the")[: model.config.context_tokens - 1]
        for _ in engine.generate(prompt, SamplingParams(seed=1, temperature_micro=1_000_000, max_tokens=1)):
            pass


class _refusals:
    """Ends quietly with an error of ours that has a code and a short message."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, InferenceError):
            return False
        assert error.code.isidentifier()
        assert len(str(error)) < 1000
        return True


def _parts(file: bytes) -> tuple[bytes, bytes]:
    """Directory and data section."""
    end = HEADER.size + HEADER.unpack_from(file)[3]
    return file[HEADER.size : end], file[-(-(end + 32) // 4096) * 4096 :]


def _intact() -> bytes:
    write_tiny(PATH)
    return PATH.read_bytes()


_INTACT = _intact()

TARGETS: dict[str, Callable[[bytes], None]] = {
    "directory": directory_target,
    "file": file_target,
    "weights": weights_target,
}


def model_seeds() -> dict[str, list[bytes]]:
    """By the names of the targets; each gets through to the end."""
    return {
        "directory": [_parts(_INTACT)[0]],
        "file": [_INTACT],
        "weights": [b"", bytes(range(4, 84)), b"\0\0\4\x80" + bytes(range(3, 67))],
    }
