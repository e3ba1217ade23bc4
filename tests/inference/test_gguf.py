"""GGUF files made by the `gguf` package: exact values, llama.cpp's own token ids, and refusal of all else."""

import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from float_models import GGUF_NAMES, add_tensors, finish_gguf, float_model, gguf_writer, write_gguf

from inference.convert.gguf import read_checkpoint, read_vocabulary
from inference.convert.gguf_container import read_container
from inference.convert.sources import Source
from inference.errors import ConversionError
from inference.tokenizer import Tokenizer


def refuse(path: Path) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        read_checkpoint(Source.open(path), "m")
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.gguf"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_exact_formats_give_the_source_back(kind: str, tied: bool, path: Path) -> None:
    model = float_model(tied)
    write_gguf(model, path, kind)
    found = read_checkpoint(Source.open(path), "small")
    assert found.config == model.config
    assert found.rope_theta == model.rope_theta
    assert found.tokenizer == model.tokenizer
    assert found.tensors.keys() == model.tensors.keys()
    assert all(np.array_equal(found.tensors[name], tensor) for name, tensor in model.tensors.items())


def test_q8_0_is_widened_as_its_own_package_does(path: Path) -> None:
    model = float_model()
    write_gguf(model, path, "Q8_0")
    found = read_checkpoint(Source.open(path), "small")
    q8_0 = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in model.tensors.items():
        expected = tensor
        if tensor.ndim == 2:
            expected = gguf.quants.dequantize(gguf.quants.quantize(tensor, q8_0), q8_0)
        assert np.array_equal(found.tensors[name], expected)


def test_infinite_scale_is_refused(path: Path) -> None:
    write_gguf(float_model(), path, "Q8_0")
    offset = read_container(Source.open(path)).tensors["output.weight"].offset
    data = bytearray(path.read_bytes())
    data[offset : offset + 3] = b"\x00\x7c\x00"  # an infinite float16, and a weight of 0
    path.write_bytes(data)
    assert refuse(path).code == "not_finite"


def test_alignment_and_chat_template_are_read(path: Path) -> None:
    writer = gguf_writer(float_model(), path)
    writer.add_custom_alignment(1024)
    writer.add_chat_template("{{ messages }}")
    add_tensors(writer, float_model())
    finish_gguf(writer)
    found = read_checkpoint(Source.open(path), "small")
    assert found.chat_template == "{{ messages }}"
    assert np.array_equal(found.tensors["head"], float_model().tensors["head"])


@pytest.mark.parametrize("kind", ["BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_other_tensor_types_are_refused_by_name(kind: str, path: Path) -> None:
    write_gguf(float_model(), path, kind)
    error = refuse(path)
    assert error.code == "unsupported"
    assert kind in str(error)


@pytest.mark.parametrize(("number", "kind"), [(12, "Q4_K"), (14, "Q6_K"), (39, "number 39")])
def test_k_quants_are_refused_by_name(number: int, kind: str, path: Path) -> None:
    path.write_bytes(container(infos=[info("token_embd.weight", (256, 4), number, 0)]))
    error = refuse(path)
    assert (error.code, kind in str(error)) == ("unsupported", True)


@pytest.mark.parametrize("architecture", ["phi3", "qwen2", "mamba"])
def test_other_architectures_are_refused_by_name(architecture: str, path: Path) -> None:
    writer = gguf_writer(float_model(), path, architecture)
    add_tensors(writer, float_model())
    finish_gguf(writer)
    error = refuse(path)
    assert (error.code, architecture in str(error)) == ("unsupported", True)


UNSUPPORTED: list[tuple[str, Callable[[gguf.GGUFWriter], None]]] = [
    ("llama.rope.scaling.type", lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)),
    ("llama.rope.scaling.type", lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.YARN)),
    ("llama.rope.scaling.factor", lambda w: w.add_rope_scaling_factor(4.0)),
    ("llama.expert_count", lambda w: w.add_expert_count(8)),
    ("llama.attention.sliding_window", lambda w: w.add_sliding_window(4096)),
    ("llama.attention.value_length", lambda w: w.add_value_length(8)),
    ("llama.something.new", lambda w: w.add_uint32("llama.something.new", 1)),
    ("rope_freqs", lambda w: w.add_tensor("rope_freqs.weight", np.ones(8, np.float32))),
    ("blk.0.attn_q.bias", lambda w: w.add_tensor("blk.0.attn_q.bias", np.ones(64, np.float32))),
    ("layers.00.wq", lambda w: w.add_tensor("blk.00.attn_q.weight", np.ones((64, 64), np.float32))),
    ("tokenizer.ggml.precompiled_charsmap", lambda w: w.add_precompiled_charsmap(b"x")),
    ("tokenizer.ggml.remove_extra_whitespaces", lambda w: w.add_remove_extra_whitespaces(True)),
]


@pytest.mark.parametrize(("name", "add"), UNSUPPORTED, ids=[name for name, _ in UNSUPPORTED])
def test_what_would_change_the_model_is_refused_by_name(
    name: str, add: Callable[[gguf.GGUFWriter], None], path: Path
) -> None:
    writer = gguf_writer(float_model(), path)
    add(writer)
    add_tensors(writer, float_model())
    finish_gguf(writer)
    error = refuse(path)
    assert error.code in ("unsupported", "tensor_set")
    assert name in str(error)


def test_missing_tensor_and_wrong_shape_are_refused(path: Path) -> None:
    model = float_model()
    fewer = {name: tensor for name, tensor in model.tensors.items() if name != "layers.1.w2"}
    writer = gguf_writer(model, path)
    for theirs, tensor in _named(fewer):
        writer.add_tensor(theirs, tensor)
    finish_gguf(writer)
    assert refuse(path).code == "tensor_set"
    writer = gguf_writer(model, path)
    for theirs, tensor in _named(model.tensors):
        writer.add_tensor(theirs, np.ascontiguousarray(tensor.T) if theirs == "blk.1.ffn_up.weight" else tensor)
    finish_gguf(writer)
    assert refuse(path).code == "tensor_shape"


def _named(tensors: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    named = []
    for name, tensor in tensors.items():
        theirs = GGUF_NAMES[name.rsplit(".", 1)[-1]] + ".weight"
        named.append((f"blk.{name.split('.')[1]}.{theirs}" if name.startswith("layers.") else theirs, tensor))
    return named


def test_llama_cpp_gives_the_same_token_ids(shared_data: Path) -> None:
    """llama.cpp's own vectors for the Llama vocabulary, which is the first 32,000 pieces of Phi-3's."""
    folder = shared_data / "models" / "llama_cpp_vocab"
    container = read_container(Source.open(folder / "ggml-vocab-phi-3.gguf"))
    llama = dict(container.metadata)
    for key in ("tokens", "scores", "token_type"):
        llama[f"tokenizer.ggml.{key}"] = llama[f"tokenizer.ggml.{key}"][:32_000]
    llama["tokenizer.ggml.eos_token_id"] = 2
    tokenizer = Tokenizer(read_vocabulary(replace(container, metadata=llama)))
    texts = (folder / "ggml-vocab-llama-spm.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = (folder / "ggml-vocab-llama-spm.gguf.out").read_text().split("\n")
    assert len(texts) == len(lines) == 47
    for text, line in zip(texts, lines, strict=True):
        ids = tokenizer.encode(text)
        assert ids[1:] == [int(id) for id in line.split()], ascii(text)
        assert tokenizer.decode(ids) == text.encode()


def test_byte_pair_vocabulary_is_refused_by_name(shared_data: Path) -> None:
    container = read_container(Source.open(shared_data / "models" / "llama_cpp_vocab" / "ggml-vocab-gpt-2.gguf"))
    with pytest.raises(ConversionError, match=r"tokenizer\.ggml\.model = gpt2"):
        read_vocabulary(container)


def test_every_truncation_of_the_front_and_some_of_the_data_are_refused(path: Path) -> None:
    write_gguf(float_model(), path)
    intact = path.read_bytes()
    source = Source.open(path)
    first = min(info.offset for info in read_container(source).tensors.values())
    for size in [*range(4, first, 7), first, first + 1, len(intact) - 100, len(intact) - 1]:
        with pytest.raises(ConversionError) as caught:
            read_checkpoint(Source("m", source.data[:size]), "m")
        assert caught.value.code in ("gguf_damaged", "gguf_metadata", "unsupported")


def test_flipped_bytes_are_refused_or_read_but_never_crash(path: Path) -> None:
    write_gguf(float_model(), path)
    intact = path.read_bytes()
    first = min(info.offset for info in read_container(Source.open(path)).tensors.values())
    choose = random.Random(1)
    for at in range(4, first, 11):
        data = bytearray(intact)
        data[at] ^= 1 << choose.randrange(8)
        try:
            read_checkpoint(Source("m", memoryview(bytes(data))), "m")
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
    assert found.tensor("t").tolist() == [[0, 1], [2, 3], [4, 5]]
