"""Every tensor type of ggml against the `gguf` package, bit for bit."""

import gguf
import numpy as np
import pytest

from inference.convert.dequantise import OTHER_TYPES, TENSOR_TYPES, dequantise
from inference.convert.lazy import LazyTensors, StoredTensor

BY_NAME = {kind.name: (number, kind) for number, kind in TENSOR_TYPES.items()}


def theirs(raw: np.ndarray, number: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(gguf.quants.dequantize(raw, gguf.GGMLQuantizationType(number))).reshape(-1)


def test_numbers_names_and_sizes_are_ggmls() -> None:
    for number, kind in TENSOR_TYPES.items():
        known = gguf.GGMLQuantizationType(number)
        assert kind.name == known.name
        assert (kind.block_values, kind.block.itemsize) == gguf.GGML_QUANT_SIZES[known]
    for known in gguf.GGMLQuantizationType:
        if known.value not in TENSOR_TYPES:
            assert OTHER_TYPES.get(known.value, known.name) == known.name


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("blocks", [1, 2, 5001])
def test_random_bytes_give_the_same_bits(name: str, blocks: int) -> None:
    """Infinite and NaN scales among them; 5001 blocks of 256 are more than one chunk."""
    number, kind = BY_NAME[name]
    raw = np.random.Generator(np.random.PCG64(blocks)).integers(0, 256, (blocks, kind.block.itemsize), np.uint8)
    expected = theirs(raw, number)
    found = dequantise(memoryview(raw.tobytes()), kind, (blocks, kind.block_values)).reshape(-1)
    same = (found.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(found) & np.isnan(expected))
    assert same.all()


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("fill", [0, 0x55, 0x7F, 0x80, 0xFF])
def test_extreme_bytes_give_the_same_bits(name: str, fill: int) -> None:
    number, kind = BY_NAME[name]
    raw = np.full((3, kind.block.itemsize), fill, np.uint8)
    for at in range(0, kind.block.itemsize, 3):
        raw[1, at] ^= 1 << at % 8
    expected = theirs(raw, number)
    found = dequantise(memoryview(raw.tobytes()), kind, (3 * kind.block_values,))
    same = (found.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(found) & np.isnan(expected))
    assert same.all()


def test_every_float16_and_bfloat16_is_widened_exactly() -> None:
    raw = np.arange(1 << 16, dtype="<u2")
    for name, expected in (
        ("F16", raw.view("<f2").astype(np.float32)),
        ("BF16", (raw.astype(np.uint32) << 16).view(np.float32)),
    ):
        found = dequantise(memoryview(raw.tobytes()), BY_NAME[name][1], raw.shape)
        assert np.array_equal(found, expected, equal_nan=True)


def test_float32_at_an_odd_address_comes_aligned() -> None:
    data = memoryview(b"\0" + np.arange(5, dtype="<f4").tobytes())[1:]
    found = dequantise(data, BY_NAME["F32"][1], (5,))
    assert found.flags.aligned
    assert found.tolist() == [0, 1, 2, 3, 4]


def test_a_lazy_tensor_is_read_when_it_is_taken_and_only_then() -> None:
    reads: list[str] = []

    def read() -> np.ndarray:
        reads.append("a")
        return np.zeros(3, np.float32)

    tensors = LazyTensors({"a": StoredTensor((3,), read)})
    assert "a" in tensors
    assert "b" not in tensors
    assert (list(tensors), len(tensors), tensors.shapes, tensors.keys() - {"a"}) == (["a"], 1, {"a": (3,)}, set())
    assert not reads
    assert tensors["a"] is not tensors["a"]
    assert reads == ["a", "a"]
    with pytest.raises(KeyError):
        tensors["b"]
