"""The GGUF container by hand, so that it can lie: what is refused before anything is made of it."""

import random
import struct

import pytest
from float_models import float_model, write_gguf

from inference.convert.gguf import read_checkpoint
from inference.convert.gguf_container import read_container
from inference.convert.gguf_cursor import FRONT_BYTES_MAX
from inference.convert.sources import Source
from inference.errors import ConversionError


def read(data: bytes) -> None:
    read_checkpoint(Source("m", memoryview(data)), "m")


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    """A whole file, and where its tensors begin."""
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    write_gguf(float_model(dim=32, n_layers=1, n_heads=2, n_kv_heads=1, ffn_dim=32), path)
    return path.read_bytes(), min(info.offset for info in read_container(Source.open(path)).tensors.values())


def test_every_truncation_is_refused(intact: tuple[bytes, int]) -> None:
    data, first = intact
    for size in [*range(4, first + 2), *range(first, len(data), 997), len(data) - 1]:
        with pytest.raises(ConversionError) as caught:
            read(data[:size])
        assert caught.value.code == "gguf_damaged"


def test_flipped_bytes_are_refused_or_read_but_never_crash(intact: tuple[bytes, int]) -> None:
    data, first = intact
    choose = random.Random(1)
    for at in range(4, first):
        damaged = bytearray(data)
        damaged[at] ^= 1 << choose.randrange(8)
        try:
            read(bytes(damaged))
        except ConversionError as error:
            assert error.code


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def info(name: str, dimensions: tuple[int, ...], kind: int, offset: int) -> bytes:
    head = text(name.encode()) + struct.pack("<I", len(dimensions))
    return head + struct.pack(f"<{len(dimensions)}QIQ", *dimensions, kind, offset)


def container(
    version: int = 3,
    entries: list[bytes] | None = None,
    infos: list[bytes] | None = None,
    counts: tuple[int, int] | None = None,
    data: bytes = b"",
) -> bytes:
    """A GGUF file by hand, so that it can lie."""
    entries, infos = entries or [], infos or []
    tensors, metadata = counts or (len(infos), len(entries))
    front = b"GGUF" + struct.pack("<IQQ", version, tensors, metadata) + b"".join(entries) + b"".join(infos)
    return front + bytes(-len(front) % 32) + data


def entry(key: str, kind: int, value: bytes) -> bytes:
    return text(key.encode()) + struct.pack("<I", kind) + value


HUGE = struct.pack("<Q", 1 << 60)
LIES = {
    "tensor count": container(counts=(1 << 60, 0)),
    "metadata count": container(counts=(0, 1 << 60)),
    "one tensor too many": container(counts=(1, 0)),
    "key of 2**60 bytes": container(entries=[HUGE]),
    "string of 2**60 bytes": container(entries=[entry("a", 8, HUGE)]),
    "array of 2**60 bytes": container(entries=[entry("a", 9, struct.pack("<I", 0) + HUGE)]),
    "array of 2**60 strings": container(entries=[entry("a", 9, struct.pack("<I", 8) + HUGE)]),
    "array that overflows": container(entries=[entry("a", 9, struct.pack("<IQ", 10, (1 << 61) + 1))]),
    "array of arrays": container(entries=[entry("a", 9, struct.pack("<IQ", 9, 1))]),
    "unknown type": container(entries=[entry("a", 13, b"")]),
    "boolean of 2": container(entries=[entry("a", 7, b"\2")]),
    "key twice": container(entries=[entry("a", 7, b"\1")] * 2),
    "key with an escape": container(entries=[entry("a\x1b[2J", 7, b"\1")]),
    "tensor name of a line": container(infos=[info("a\n", (8,), 0, 0)], data=bytes(32)),
    "key not UTF-8": container(entries=[text(b"\xff") + struct.pack("<I", 7) + b"\1"]),
    "alignment 0": container(entries=[entry("general.alignment", 4, struct.pack("<I", 0))]),
    "alignment 33": container(entries=[entry("general.alignment", 4, struct.pack("<I", 33))]),
    "alignment text": container(entries=[entry("general.alignment", 8, text(b"32"))]),
    "no dimensions": container(infos=[info("a", (), 0, 0)]),
    "five dimensions": container(infos=[info("a", (1,) * 5, 0, 0)]),
    "2**32 dimensions": container(infos=[text(b"a") + b"\xff" * 4]),
    "dimension 0": container(infos=[info("a", (0,), 0, 0)]),
    "sizes that overflow": container(infos=[info("a", (1 << 32, 1 << 32), 0, 0)], data=bytes(64)),
    "half a block": container(infos=[info("a", (33,), 8, 0)], data=bytes(64)),
    "offset past the end": container(infos=[info("a", (8,), 0, 1 << 60)], data=bytes(64)),
    "offset that is not aligned": container(infos=[info("a", (1,), 0, 4)], data=bytes(64)),
    "overlap": container(infos=[info("a", (16,), 0, 0), info("b", (8,), 0, 32)], data=bytes(64)),
    "name twice": container(infos=[info("a", (8,), 0, 0), info("a", (8,), 0, 32)], data=bytes(64)),
    "half a block of 256": container(infos=[info("a", (128,), 12, 0)], data=bytes(144)),
    "a block cut short": container(infos=[info("a", (256,), 12, 0)], data=bytes(143)),
    "a front without end": container(entries=[entry("a", 9, struct.pack("<IQ", 0, 1 << 21) + bytes(1 << 21))] * 33),
}


@pytest.mark.parametrize("data", LIES.values(), ids=LIES)
def test_lies_are_refused_before_memory_is_taken(data: bytes) -> None:
    with pytest.raises(ConversionError) as caught:
        read_container(Source("m", memoryview(data)))
    assert caught.value.code == "gguf_damaged"


@pytest.mark.parametrize("version", [0, 1, 4, 3 << 24])
def test_other_versions_and_big_endian_files_are_refused(version: int) -> None:
    with pytest.raises(ConversionError) as caught:
        read_container(Source("m", memoryview(container(version=version))))
    assert caught.value.code == "unsupported"


def test_version_2_is_read() -> None:
    data = container(2, [entry("a", 8, text(b"b"))], [info("t", (2, 3), 0, 0)], data=struct.pack("<6f", *range(6)))
    found = read_container(Source("m", memoryview(data)))
    assert found.metadata == {"a": "b"}
    assert found.stored("t").read().tolist() == [[0, 1], [2, 3], [4, 5]]


def test_empty_arrays_and_texts_are_read() -> None:
    arrays = [entry(f"a{kind}", 9, struct.pack("<IQ", kind, 0)) for kind in (0, 4, 6, 7, 8, 12)]
    found = read_container(Source("m", memoryview(container(entries=[*arrays, entry("t", 8, text(b""))]))))
    assert all(found.metadata[key] == [] for key in found.metadata if key != "t")
    assert found.metadata["t"] == ""


@pytest.mark.parametrize(("number", "kind"), [(20, "IQ4_NL"), (28, "F64"), (39, "MXFP4"), (4, "number 4")])
def test_other_tensor_types_are_refused_by_name(number: int, kind: str) -> None:
    data = container(infos=[info("token_embd.weight", (256, 4), number, 0)])
    with pytest.raises(ConversionError, match=kind) as caught:
        read_container(Source("m", memoryview(data)))
    assert caught.value.code == "unsupported"


def test_terminal_codes_in_a_file_do_not_reach_the_message() -> None:
    data = container(entries=[entry("general.architecture", 8, text(b"\x1b[2J"))])
    with pytest.raises(ConversionError) as caught:
        read(data)
    assert "\x1b" not in str(caught.value)
    assert len(data) < FRONT_BYTES_MAX
