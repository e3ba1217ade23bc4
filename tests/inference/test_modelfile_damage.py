"""Model files that are cut short, altered, or made by somebody who means harm.

Each must give a ModelFileError with a code, take no time and no memory, and never any other exception.
"""

import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from tiny_model import CONFIG, ROOT

from inference.errors import ModelFileError
from inference.layout import tensor_specs
from inference.modelfile import HEADER, MAGIC, ModelFile
from inference.modelroot import data_root

CODES = {
    "config_invalid",
    "directory_cbor",
    "directory_damaged",
    "directory_length",
    "directory_schema",
    "directory_truncated",
    "file_size",
    "header_reserved",
    "header_truncated",
    "not_a_model",
    "padding",
    "tensor_offset",
    "tensor_set",
    "tensor_shape",
    "tensor_type",
    "unsupported_version",
}


@pytest.fixture(scope="module")
def intact(tiny_path: Path) -> bytes:
    return tiny_path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "damaged.rail"


def directory_end(data: bytes) -> int:
    return HEADER.size + HEADER.unpack_from(data)[3]


def data_start(data: bytes) -> int:
    return -(-(directory_end(data) + 32) // 4096) * 4096


def refuse(path: Path, data: bytes) -> str:
    """The code with which a file of these bytes is refused."""
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        ModelFile.open(path, verify=False)
    assert caught.value.code in CODES
    assert str(caught.value)
    return caught.value.code


def test_every_truncation_up_to_the_data_section_is_refused(intact: bytes, path: Path) -> None:
    path.write_bytes(intact)
    for size in range(data_start(intact), -1, -1):
        os.truncate(path, size)
        with pytest.raises(ModelFileError) as caught:
            ModelFile.open(path, verify=False)
        assert caught.value.code == (
            "header_truncated"
            if size < HEADER.size
            else "directory_truncated"
            if size < data_start(intact)
            else "file_size"
        )


def test_truncation_at_every_tensor_is_refused(intact: bytes, path: Path) -> None:
    start = data_start(intact)
    for spec in tensor_specs(CONFIG):
        for size in {start + spec.offset, start + spec.offset + 1, start + spec.end - 1}:
            assert refuse(path, intact[:size]) == "file_size"
    assert refuse(path, intact + b"\0") == "file_size"


def test_every_flipped_byte_before_the_data_is_refused(intact: bytes, path: Path) -> None:
    """One bit of each byte, another bit each time, without verification."""
    path.write_bytes(intact)
    end, start = directory_end(intact), data_start(intact)
    with open(path, "r+b", buffering=0) as file:
        for at in range(start):
            os.pwrite(file.fileno(), bytes([intact[at] ^ 1 << at % 8]), at)
            with pytest.raises(ModelFileError) as caught:
                ModelFile.open(path, verify=False)
            assert caught.value.code in CODES
            if at >= HEADER.size:
                assert caught.value.code == ("directory_damaged" if at < end + 32 else "padding")
            os.pwrite(file.fileno(), intact[at : at + 1], at)
    assert ModelFile.open(path, expected_root=ROOT, use_cache=False).root == ROOT


@pytest.mark.parametrize("expected", [None, ROOT], ids=["any", "expected"])
def test_flipped_bits_in_the_data_are_refused(expected: bytes | None, intact: bytes, path: Path) -> None:
    """Weights, scales, rotary frequencies, padding: all the same damage, whatever root the caller expects."""
    path.write_bytes(intact)
    start = data_start(intact)
    places = {start + spec.offset for spec in tensor_specs(CONFIG)} | {
        start + spec.end - 1 for spec in tensor_specs(CONFIG)
    }
    with open(path, "r+b", buffering=0) as file:
        for at in sorted(places | set(range(start, len(intact), 397))):
            os.pwrite(file.fileno(), bytes([intact[at] ^ 1 << at % 8]), at)
            with pytest.raises(ModelFileError, match="download it or convert it again") as caught:
                ModelFile.open(path, expected_root=expected, use_cache=False)
            assert caught.value.code == "data_damaged"
            os.pwrite(file.fileno(), intact[at : at + 1], at)
    assert ModelFile.open(path, use_cache=False).root == ROOT


@pytest.mark.parametrize(("value", "code"), [(0, "weight_range"), (1, "padding")])
def test_hashes_that_fit_excuse_no_forbidden_weight(value: int, code: str, intact: bytes, path: Path) -> None:
    """Who makes a file on purpose can make its hashes right; the kernels' assumptions are checked all the same."""
    data = bytearray(intact[data_start(intact) :])
    last_row = (CONFIG.vocab_size // 16 * 10 * 16 + 15) * 4  # of `head`, the first tensor: it is not there
    data[0 if code == "weight_range" else last_row] = value
    path.write_bytes(with_directory(intact, _set("data_root", to=data_root([bytes(data)])), bytes(data)))
    with pytest.raises(ModelFileError) as caught:
        ModelFile.open(path, use_cache=False)
    assert caught.value.code == code


def test_wrong_data_root_is_damage(intact: bytes, path: Path) -> None:
    path.write_bytes(with_directory(intact, _set("data_root", to=bytes(32))))
    with pytest.raises(ModelFileError) as caught:
        ModelFile.open(path, use_cache=False)
    assert caught.value.code == "data_damaged"


def header(length: int, version: int = 2, reserved: int = 0, magic: bytes = MAGIC) -> bytes:
    return struct.pack("<8sIIQ", magic, version, reserved, length)


def test_header_fields(intact: bytes, path: Path) -> None:
    rest = intact[HEADER.size :]
    length = HEADER.unpack_from(intact)[3]
    assert refuse(path, b"") == "header_truncated"
    assert refuse(path, header(length, magic=b"GGUF\3\0\0\0") + rest) == "not_a_model"
    for version in (0, 1, 3, 1 << 31, (1 << 32) - 1):
        assert refuse(path, header(length, version=version) + rest) == "unsupported_version"
    assert refuse(path, header(length, reserved=1) + rest) == "header_reserved"
    for wrong in (0, 1 << 40, 1 << 60, (1 << 64) - 1):
        assert refuse(path, header(wrong) + rest) == "directory_length"
    assert refuse(path, header(16 << 20) + rest) == "directory_truncated"
    for wrong in (length - 1, length + 1):
        assert refuse(path, header(wrong) + rest) == "directory_damaged"


def front(directory: bytes) -> bytes:
    """All before the data section, written down a second time."""
    hashed = header(len(directory)) + directory
    hashed += hashlib.sha256(hashed).digest()
    return hashed + bytes(-len(hashed) % 4096)


def with_directory(intact: bytes, change: Callable[[dict[str, Any]], None], data: bytes | None = None) -> bytes:
    """The file with another directory, whose hash is right, and the same data or other data."""
    directory = cbor2.loads(intact[HEADER.size : directory_end(intact)])
    change(directory)
    return front(cbor2.dumps(directory, canonical=True)) + (intact[data_start(intact) :] if data is None else data)


def _set(*keys: str, to: object) -> Callable[[dict[str, Any]], None]:
    def change(directory: dict[str, Any]) -> None:
        inner = directory
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to

    return change


def _drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(directory: dict[str, Any]) -> None:
        inner = directory
        for key in keys[:-1]:
            inner = inner[key]
        del inner[keys[-1]]

    return change


HOSTILE: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (_set("format", to="rail-model/1"), "unsupported_version"),
    (_set("engine", to="rail-int/1"), "unsupported_version"),
    (_set("format", to=1), "unsupported_version"),
    (_set("extra", to=None), "directory_schema"),
    (_drop("provenance"), "directory_schema"),
    (_set("tensors", to=[]), "directory_schema"),
    (_set("config", "extra", to=1), "directory_schema"),
    (_set("config", "dim", to=1 << 60), "config_invalid"),
    (_set("config", "dim", to=True), "config_invalid"),
    (_set("config", "n_layers", to=(1 << 64) - 1), "config_invalid"),
    (_set("config", "n_layers", to=512), "tensor_set"),
    (_set("config", "vocab_size", to=1 << 20), "tensor_shape"),
    (_set("config", "family", to="unknown"), "config_invalid"),
    (_drop("tensors", "head"), "tensor_set"),
    (_set("tensors", "layers.0.bias", to={"type": "u8", "shape": [1], "offset": 0}), "tensor_set"),
    (_set("tensors", "head", to=[]), "directory_schema"),
    (_drop("tensors", "head", "shape"), "directory_schema"),
    (_set("tensors", "head", "size", to=1), "directory_schema"),
    (_set("tensors", "head", "type", to="f32"), "tensor_type"),
    (_set("tensors", "head", "type", to="i8"), "tensor_type"),
    (_set("tensors", "head", "shape", to=[CONFIG.vocab_size, 1 << 60]), "tensor_shape"),
    (_set("tensors", "head", "shape", to=[1 << 32, 1 << 32]), "tensor_shape"),
    (_set("tensors", "head", "shape", to=[CONFIG.vocab_size]), "tensor_shape"),
    (_set("tensors", "head", "shape", to=[-1, 10, 16, 4]), "tensor_shape"),
    (_set("tensors", "head", "offset", to=64), "tensor_offset"),  # overlaps the next one
    (_set("tensors", "head.scale", "offset", to=0), "tensor_offset"),  # overlaps the one before
    (_set("tensors", "tok_embed", "offset", to=(1 << 64) - 64), "tensor_offset"),
    (_set("tensors", "tok_embed", "offset", to=1 << 60), "tensor_offset"),
    (_set("tensors", "head", "offset", to=False), "tensor_offset"),  # False == 0, and is no integer
    (_set("exponents", to=bytes(16)), "directory_schema"),
    (_set("exponents", to=bytes([15] * 16)), "directory_schema"),
    (_set("exponents", to=bytes([47] * 16)), "directory_schema"),
    (_set("exponents", to=bytes([20] * 15)), "directory_schema"),
    (_set("exponents", to=[20] * 16), "directory_schema"),
    (_drop("data_root"), "directory_schema"),
    (_set("data_root", to=bytes(31)), "directory_schema"),
    (_set("data_root", to="0" * 32), "directory_schema"),
    (_set("vocabulary", to=b""), "directory_schema"),
    (_set("chat_template", to=1), "directory_schema"),
    (_set("chat_template", to="x" * 65_537), "directory_schema"),
    (_set("provenance", "sources", to={"a": b"short"}), "directory_schema"),
    (_set("provenance", "options", to={"a": 1.5}), "directory_cbor"),
]


@pytest.mark.parametrize(("change", "code"), HOSTILE, ids=range(len(HOSTILE)))
def test_directory_that_says_anything_else_is_refused(
    change: Callable[[dict[str, Any]], None], code: str, intact: bytes, path: Path
) -> None:
    assert refuse(path, with_directory(intact, change)) == code


def test_directory_is_accepted_in_one_encoding_only(intact: bytes, path: Path) -> None:
    directory = cbor2.loads(intact[HEADER.size : directory_end(intact)])
    reordered = cbor2.dumps(dict(sorted(directory.items(), reverse=True)))
    assert refuse(path, front(reordered) + intact[data_start(intact) :]) == "directory_cbor"
    assert with_directory(intact, lambda directory: None) == intact


def test_padding_between_directory_and_data_must_be_zero(intact: bytes, path: Path) -> None:
    damaged = bytearray(intact)
    damaged[data_start(intact) - 1] = 1
    assert refuse(path, bytes(damaged)) == "padding"


def test_config_that_needs_more_data_is_refused_without_reading_it(intact: bytes, path: Path) -> None:
    """A directory that is right in itself, for a model of terabytes, over a small file."""
    large = replace(CONFIG, dim=32_768, ffn_dim=65_536, vocab_size=1 << 20, n_layers=64)

    def change(directory: dict[str, Any]) -> None:
        directory["config"] = asdict(large)
        specs = tensor_specs(large)
        directory["tensors"] = {
            spec.name: {"type": spec.type, "shape": list(spec.shape), "offset": spec.offset} for spec in specs
        }
        directory["exponents"] = bytes([20] * sum(spec.matrix is not None for spec in specs))

    assert refuse(path, with_directory(intact, change)) == "file_size"


def test_things_that_are_not_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for odd in (tmp_path, tmp_path / "missing", tmp_path / "fifo", Path("/dev/null"), "nul\0byte"):
        with pytest.raises(ModelFileError) as caught:
            ModelFile.open(odd)
        assert caught.value.code == "unreadable"
