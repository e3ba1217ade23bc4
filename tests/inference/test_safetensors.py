"""safetensors files by hand, so that they can lie; and the format's own library where it is there."""

import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from float_models import safetensors_file
from peers import peer

from inference.convert.safetensors import HEADER_BYTES_MAX, TENSORS_MAX, Weights, read_weights
from inference.convert.sources import Source
from inference.errors import ConversionError


def read(data: bytes) -> Weights:
    return read_weights(Source("m.safetensors", memoryview(data)))


def file(header: dict[str, Any] | bytes, data: bytes = b"", size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


VALUES = np.array([[0.5, -2, 3], [4, 1e-3, -0.0]], np.float32)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_values_are_widened_exactly(kind: str) -> None:
    values = VALUES.astype(np.float16).astype(np.float32)
    if kind == "BF16":
        values = (values.view(np.uint32) >> 16 << 16).view(np.float32)
    weights = read(safetensors_file([("a", values[0]), ("b", values), ("c", values[1:])], kind))
    assert [weights.tensors[name].shape for name in "abc"] == [(3,), (2, 3), (1, 3)]
    for name, expected in (("a", values[0]), ("b", values), ("c", values[1:])):
        found = weights.stored(name).read()
        assert found.dtype == np.float32
        assert found.tobytes() == expected.tobytes()


def test_the_librarys_own_files_are_read(tmp_path: Path) -> None:
    library = peer("safetensors.numpy")
    tensors = {"b": VALUES, "a": VALUES.astype(np.float16), "scalar": np.array(3, np.int64), "none": VALUES[:0]}
    library.save_file(tensors, tmp_path / "m.safetensors", metadata={"format": "pt"})
    weights = read_weights(Source.open(tmp_path / "m.safetensors"))
    assert {name: place.shape for name, place in weights.tensors.items()} == {
        name: tensor.shape for name, tensor in tensors.items()
    }
    assert all(np.array_equal(weights.stored(name).read(), tensors[name]) for name in "ab")


def test_empty_files_metadata_alone_and_padding_are_read() -> None:
    assert not read(file({})).tensors
    assert not read(file({"__metadata__": {"format": "pt"}})).tensors
    padded = file(json.dumps({"a": entry()}).encode() + b"    ", VALUES[0, :2].tobytes())
    assert read(padded).stored("a").read().tolist() == [0.5, -2]


@pytest.mark.parametrize("kind", ["F64", "I32", "I8", "BOOL", "F8_E4M3"])
def test_other_types_are_refused_when_they_are_asked_for(kind: str) -> None:
    width = {"F64": 8, "I32": 4}.get(kind, 1)
    weights = read(file({"a": entry(kind, [2], [0, 2 * width])}, bytes(2 * width)))
    with pytest.raises(ConversionError, match=kind) as caught:
        weights.stored("a")
    assert caught.value.code == "unsupported"


A = b'"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
NESTED = b'{"__metadata__": ' + b'{"a":' * 100_000
LIES: dict[str, bytes] = {
    "nothing": b"",
    "seven bytes": bytes(7),
    "header of 0": file(b""),
    "header of 1": file(b"{"),
    "header of 2**63": file(b"{}", size=1 << 63),
    "header past the end": file(b"{}", size=3),
    "header over the limit": file(b"{" + b" " * HEADER_BYTES_MAX + b"}"),
    "no JSON": file(b"{]"),
    "space before": file(b" {}"),
    "an array": file(b"[]"),
    "two values": file(b"{}{}"),
    "not UTF-8": file(b'{"\xff": 1}'),
    "a byte order mark": file(b"\xef\xbb\xbf{}"),
    "half a surrogate": file(b'{"\\ud800": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', bytes(8)),
    "nested objects": file(NESTED),
    "nested arrays": file(b'{"a": ' + b"[" * 100_000),
    "nested and closed": file(b'{"a": ' + b"[" * 1000 + b"]" * 1000 + b"}"),
    "quotes without end": file(b'{"' + b'\\"' * 100_000),
    "name twice": file(b"{" + A + b", " + A + b"}", bytes(8)),
    "key twice": file(b'{"a": {"dtype": "F32", "dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}', bytes(8)),
    "metadata twice": file(b'{"__metadata__": {}, "__metadata__": {}}'),
    "metadata a text": file({"__metadata__": "pt"}),
    "metadata a number": file({"__metadata__": {"format": 1}}),
    "NaN": file(b'{"a": NaN}'),
    "Infinity": file(b'{"a": Infinity}'),
    "long integer": file(b'{"a": ' + b"9" * 100_000 + b"}"),
    "long decimal": file(b'{"a": 0.' + b"9" * 100_000 + b"}"),
    "huge exponent": file(b'{"a": 1e99999999999999999999}'),
    "entry a list": file({"a": []}),
    "entry null": file({"a": None}),
    "no dtype": file({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "one key more": file({"a": entry(strides=[4])}, bytes(8)),
    "unknown dtype": file({"a": entry("F4")}, bytes(8)),
    "dtype a list": file({"a": entry(["F32"])}, bytes(8)),
    "shape a number": file({"a": entry(shape=2)}, bytes(8)),
    "dimension a float": file({"a": entry(shape=[2.0])}, bytes(8)),
    "dimension true": file({"a": entry(shape=[2, True])}, bytes(8)),
    "dimension negative": file({"a": entry(shape=[-1, -2])}, bytes(8)),
    "dimension of 2**60": file({"a": entry(shape=[1 << 60])}, bytes(8)),
    "sizes that overflow": file({"a": entry(shape=[1 << 31, 1 << 31, 1 << 2])}, bytes(8)),
    "nine dimensions": file({"a": entry(shape=[1] * 8 + [2])}, bytes(8)),
    "one offset": file({"a": entry(offsets=[8])}, bytes(8)),
    "three offsets": file({"a": entry(offsets=[0, 4, 8])}, bytes(8)),
    "offsets turned": file({"a": entry(offsets=[8, 0])}, bytes(8)),
    "offset negative": file({"a": entry(offsets=[-8, 0])}, bytes(8)),
    "size that differs": file({"a": entry(offsets=[0, 4])}, bytes(4)),
    "past the end": file({"a": entry()}, bytes(7)),
    "bytes after the tensors": file({"a": entry()}, bytes(9)),
    "bytes without a tensor": file({}, bytes(1)),
    "gap before": file({"a": entry(offsets=[8, 16])}, bytes(16)),
    "gap between": file({"a": entry(), "b": entry(offsets=[12, 20])}, bytes(20)),
    "overlap": file({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)),
    "the same bytes": file({"a": entry(), "b": entry()}, bytes(8)),
    "empty inside another": file({"a": entry(), "b": entry(shape=[0], offsets=[4, 4])}, bytes(8)),
    "long name": file({"a" * 257: entry()}, bytes(8)),
    "too many tensors": file({str(i): entry(shape=[0], offsets=[0, 0]) for i in range(TENSORS_MAX + 1)}),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_lies_are_refused_before_memory_is_taken(data: bytes) -> None:
    with pytest.raises(ConversionError) as caught:
        read(data)
    assert caught.value.code == "safetensors_damaged"
    assert str(caught.value).startswith("m.safetensors: ")
    assert len(str(caught.value)) < 600


def test_every_truncation_and_every_flipped_bit_of_the_header_is_refused_or_read() -> None:
    intact = safetensors_file([("a", VALUES[0]), ("b", VALUES)])
    for size in range(len(intact)):
        with pytest.raises(ConversionError):
            read(intact[:size])
    for at in range(8 * (len(intact) - VALUES.nbytes)):
        damaged = bytearray(intact)
        damaged[at // 8] ^= 1 << at % 8
        try:
            read(bytes(damaged))
        except ConversionError as error:
            assert error.code == "safetensors_damaged"


def test_what_the_library_refuses_is_refused_here_too() -> None:
    """Random damage of a small file: we may be stricter than the library, never laxer."""
    library = peer("safetensors")
    intact = safetensors_file([("a", VALUES[0]), ("b", VALUES), ("c", VALUES[:, 1])])
    choose, read_here = random.Random(3), 0
    for _ in range(5_000):
        damaged = bytearray(intact)
        for _ in range(choose.randrange(1, 4)):
            damaged[choose.randrange(len(intact) - 60)] = choose.choice(b'0123456789{}[]":, ab\\F')
        try:
            weights = read(bytes(damaged))
        except ConversionError:
            continue
        read_here += 1
        theirs = dict(library.deserialize(bytes(damaged)))
        assert {name: list(place.shape) for name, place in weights.tensors.items()} == {
            name: info["shape"] for name, info in theirs.items()
        }
        assert all(bytes(weights.data(name)) == bytes(info["data"]) for name, info in theirs.items())
    assert read_here > 100
