"""Models in GGUF files made by the `gguf` package: exact values, each architecture's order of rows, and refusal."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from float_models import (
    Floats,
    add_tensor,
    add_tensors,
    finish_gguf,
    float_model,
    gguf_tensors,
    gguf_writer,
    write_gguf,
)

from inference.convert.float_model import FloatModel
from inference.convert.gguf import read_checkpoint
from inference.convert.gguf_container import read_container
from inference.convert.sources import Source
from inference.errors import ConversionError

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


def read(path: Path) -> FloatModel:
    return read_checkpoint(Source.open(path), "small")


def refuse(path: Path) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        read(path)
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.gguf"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["F32", "F16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_exact_formats_give_the_source_back(family: str, kind: str, tied: bool, path: Path) -> None:
    model = float_model(tied, family, window_tokens=9 if family == "mistral" else 0)
    write_gguf(model, path, kind)
    found = read(path)
    assert found.config == model.config
    assert found.rope_frequencies == model.rope_frequencies
    assert found.vocabulary == model.vocabulary
    assert found.tensors.keys() == model.tensors.keys()
    assert all(np.array_equal(found.tensor(name), tensor) for name, tensor in model.tensors.items())


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_heads_may_be_wider_than_the_model(family: str, path: Path) -> None:
    model = float_model(family=family, head_dim=24, n_kv_heads=4)
    write_gguf(model, path)
    found = read(path)
    assert found.config == model.config
    assert all(np.array_equal(found.tensor(name), tensor) for name, tensor in model.tensors.items())


def test_biases_of_a_llama_are_read(path: Path) -> None:
    model = float_model(qkv_bias=True)
    write_gguf(model, path)
    assert read(path).config == model.config
    assert np.array_equal(read(path).tensor("layers.1.wk.bias"), model.tensors["layers.1.wk.bias"])


@pytest.mark.parametrize("kind", ["BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_short_formats_are_widened_as_their_own_package_does(kind: str, path: Path) -> None:
    model = float_model()
    write_gguf(model, path, kind)
    found, number = read(path), gguf.GGMLQuantizationType[kind]
    for name, tensor in model.tensors.items():
        expected = tensor
        if tensor.ndim == 2:
            expected = gguf.quants.dequantize(gguf.quants.quantize(tensor, number), number)
        assert np.array_equal(found.tensor(name), expected)


@pytest.mark.parametrize("kind", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"])
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_blocks_of_256_are_widened_and_reordered(family: str, kind: str, path: Path) -> None:
    """The package cannot make these, so the blocks are random bytes with finite scales."""
    model, number = float_model(family=family, dim=256, head_dim=64, ffn_dim=256), gguf.GGMLQuantizationType[kind]
    width = gguf.GGML_QUANT_SIZES[number][1]
    scales_at = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}[kind]
    generator = np.random.Generator(np.random.PCG64(5))
    writer, expected = gguf_writer(model, path), {}
    for name, tensor in gguf_tensors(model):
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor)
            continue
        raw = generator.integers(0, 256, (tensor.size // 256, width), np.uint8)
        for at in scales_at:
            raw[:, at : at + 2] = np.float16(0.01).tobytes()[0], np.float16(0.01).tobytes()[1]
        writer.add_tensor(name, raw.reshape(tensor.shape[0], -1), raw_dtype=number)
        expected[name] = gguf.quants.dequantize(raw, number).reshape(tensor.shape)
    finish_gguf(writer)
    found = read(path)
    again = dict(gguf_tensors(found))
    assert all(np.array_equal(again[name], tensor) for name, tensor in expected.items())


def test_no_more_than_one_tensor_is_held(path: Path) -> None:
    model = float_model(dim=512, n_layers=6, ffn_dim=1024, head_dim=128)
    write_gguf(model, path, "Q8_0")
    sizes = [tensor.nbytes for tensor in model.tensors.values()]
    del model
    found = read(path)
    tracemalloc.start()
    for name in found.tensors:
        found.tensor(name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * max(sizes) + (12 << 20) < sum(sizes)  # two tensors' worth, and the steps of one chunk


def test_infinite_scale_is_refused_when_the_tensor_is_taken(path: Path) -> None:
    write_gguf(float_model(), path, "Q8_0")
    offset = read_container(Source.open(path)).tensors["output.weight"].offset
    data = bytearray(path.read_bytes())
    data[offset : offset + 3] = b"\x00\x7c\x00"  # an infinite float16, and a weight of 0
    path.write_bytes(data)
    with pytest.raises(ConversionError, match="head") as caught:
        read(path).tensor("head")
    assert caught.value.code == "not_finite"


def test_alignment_and_chat_template_are_read(path: Path) -> None:
    writer = gguf_writer(float_model(), path)
    writer.add_custom_alignment(1024)
    writer.add_chat_template("{{ messages }}")
    add_tensors(writer, float_model())
    finish_gguf(writer)
    found = read(path)
    assert found.chat_template == "{{ messages }}"
    assert np.array_equal(found.tensor("head"), float_model().tensors["head"])


@pytest.mark.parametrize("architecture", ["phi3", "gemma2", "qwen2moe", "llama4", "mamba"])
def test_other_architectures_are_refused_by_name(architecture: str, path: Path) -> None:
    writer = gguf_writer(float_model(), path, architecture)
    add_tensors(writer, float_model())
    finish_gguf(writer)
    error = refuse(path)
    assert (error.code, architecture in str(error)) == ("unsupported", True)


Change = Callable[[gguf.GGUFWriter], Any]
ONES = np.ones(64, np.float32)
UNSUPPORTED: list[tuple[str, str, Change]] = [
    ("llama", "llama.rope.scaling.type", lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.YARN)),
    ("llama", "llama.rope.scaling.type", lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)),
    ("llama", "llama.rope.scaling.attn_factor", lambda w: w.add_rope_scaling_attn_factors(1.5)),
    ("llama", "llama.rope.scaling.yarn_log_multiplier", lambda w: w.add_rope_scaling_yarn_log_mul(0.1)),
    ("llama", "llama.expert_count", lambda w: w.add_expert_count(8)),
    ("qwen2", "qwen2.attention.sliding_window", lambda w: w.add_sliding_window(4096)),
    ("llama", "llama.attention.sliding_window_pattern", lambda w: w.add_sliding_window_pattern(2)),
    ("llama", "llama.attention.value_length", lambda w: w.add_value_length(8)),
    ("llama", "llama.attention.causal", lambda w: w.add_causal_attention(False)),
    ("llama", "llama.attention.scale", lambda w: w.add_attention_scale(0.5)),
    ("llama", "llama.logit_scale", lambda w: w.add_logit_scale(0.5)),
    ("llama", "llama.residual_scale", lambda w: w.add_residual_scale(0.5)),
    ("llama", "llama.embedding_scale", lambda w: w.add_embedding_scale(2.0)),
    ("llama", "llama.final_logit_softcapping", lambda w: w.add_final_logit_softcapping(30.0)),
    ("llama", "llama.attn_logit_softcapping", lambda w: w.add_attn_logit_softcapping(50.0)),
    ("llama", "llama.something.new", lambda w: w.add_uint32("llama.something.new", 1)),
    ("llama", "general.quantization_version", lambda w: w.add_quantization_version(1)),
    ("llama", "general.type", lambda w: w.add_type("adapter")),
    ("llama", "split.count", lambda w: w.add_uint16("split.count", 3)),
    ("qwen2", "rope_freqs", lambda w: w.add_tensor("rope_freqs.weight", np.ones(8, np.float32))),
    ("llama", "rope_factors_long", lambda w: w.add_tensor("rope_factors_long.weight", np.ones(8, np.float32))),
    ("llama", "layers.0.wk.bias", lambda w: w.add_tensor("blk.0.attn_q.bias", ONES)),
    ("llama", "blk.0.attn_output.bias", lambda w: w.add_tensor("blk.0.attn_output.bias", ONES)),
    ("llama", "layers.0.norm_q", lambda w: w.add_tensor("blk.0.attn_q_norm.weight", ONES[:16])),
    ("qwen3", "layers.0.wq.bias", lambda w: w.add_tensor("blk.0.attn_q.bias", ONES)),
    ("llama", "blk.0.ffn_gate_inp.weight", lambda w: w.add_tensor("blk.0.ffn_gate_inp.weight", ONES)),
    ("llama", "layers.00.wq", lambda w: w.add_tensor("blk.00.attn_q.weight", np.ones((64, 64), np.float32))),
    ("llama", "layers.2.wq", lambda w: w.add_tensor("blk.2.attn_q.weight", np.ones((64, 64), np.float32))),
]


@pytest.mark.parametrize(("family", "name", "add"), UNSUPPORTED, ids=[name for _, name, _ in UNSUPPORTED])
def test_what_would_change_the_model_is_refused_by_name(family: str, name: str, add: Change, path: Path) -> None:
    writer = gguf_writer(float_model(family=family), path)
    add(writer)
    add_tensors(writer, float_model(family=family))
    finish_gguf(writer)
    error = refuse(path)
    assert error.code in ("unsupported", "tensor_set")
    assert name in str(error)


NEUTRAL: list[Change] = [
    lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.NONE),
    lambda w: w.add_rope_scaling_factor(1.0),
    lambda w: w.add_rope_scaling_factor(0.0),
    lambda w: w.add_rope_scaling_orig_ctx_len(2048),
    lambda w: w.add_expert_count(0),
    lambda w: w.add_causal_attention(True),
    lambda w: w.add_sliding_window(4096),  # longer than the context
    lambda w: w.add_quantization_version(2),
    lambda w: w.add_type("model"),
    lambda w: w.add_uint16("split.count", 1),
    lambda w: w.add_uint32("quantize.imatrix.entries_count", 5),
    lambda w: w.add_tensor("rope_freqs.weight", np.ones(8, np.float32)),
]


@pytest.mark.parametrize("add", NEUTRAL)
def test_what_changes_nothing_is_read(add: Change, path: Path) -> None:
    writer = gguf_writer(float_model(), path)
    add(writer)
    add_tensors(writer, float_model())
    finish_gguf(writer)
    found = read(path)
    assert (found.config.window_tokens, found.rope_frequencies) == (0, float_model().rope_frequencies)


@pytest.mark.parametrize("key", ["rope.scaling.factor", "rope.scale_linear"])
def test_a_factor_without_a_type_is_linear(key: str, path: Path) -> None:
    writer = gguf_writer(float_model(), path)
    writer.add_float32(f"llama.{key}", 4.0)
    add_tensors(writer, float_model())
    finish_gguf(writer)
    scaled = [frequency * 4 for frequency in read(path).rope_frequencies]
    assert np.allclose(np.array(scaled, float), np.array(float_model().rope_frequencies, float), rtol=1e-15)


@pytest.mark.parametrize(
    ("factors", "kind", "code"),
    [
        ([1, 1, 1, 1, 1, 1, 1], "F32", "tensor_shape"),
        ([[1, 1, 1, 1, 1, 1, 1, 1]], "F32", "tensor_shape"),
        ([1] * 8, "F16", "tensor_shape"),
        ([1, 1, 1, 1, 1, 1, 1, 0], "F32", "not_finite"),
        ([1, 1, 1, 1, 1, 1, 1, np.nan], "F32", "not_finite"),
        ([1, 1, 1, 1, 1, 1, 1, np.inf], "F32", "not_finite"),
        ([1, 1, 1, 1, 1, 1, 1, -1], "F32", "not_finite"),
    ],
)
def test_bad_rotary_factors_are_refused(factors: list[Any], kind: str, code: str, path: Path) -> None:
    writer = gguf_writer(float_model(), path)
    add_tensor(writer, "rope_freqs.weight", np.array(factors, np.float32), kind)
    add_tensors(writer, float_model())
    finish_gguf(writer)
    assert refuse(path).code == code


def test_missing_tensor_and_wrong_shape_are_refused(path: Path) -> None:
    tensors = gguf_tensors(float_model())
    write_tensors(path, [(name, tensor) for name, tensor in tensors if name != "blk.1.ffn_down.weight"])
    assert refuse(path).code == "tensor_set"
    turned = [(name, np.ascontiguousarray(t.T) if name == "blk.1.ffn_up.weight" else t) for name, t in tensors]
    write_tensors(path, turned)
    assert refuse(path).code == "tensor_shape"


def write_tensors(path: Path, tensors: list[tuple[str, Floats]]) -> None:
    writer = gguf_writer(float_model(), path)
    for name, tensor in tensors:
        writer.add_tensor(name, tensor)
    finish_gguf(writer)


@pytest.mark.parametrize(
    "key", ["embedding_length", "attention.head_count", "context_length", "attention.layer_norm_rms_epsilon"]
)
def test_metadata_that_is_missing_or_of_another_type_is_refused_by_name(key: str, path: Path) -> None:
    for change in ("missing", "text", "array"):
        writer = gguf_writer(float_model(), path)
        values = writer.kv_data[0]
        del values[f"llama.{key}"]
        if change == "text":
            writer.add_string(f"llama.{key}", "1")
        elif change == "array":
            writer.add_array(f"llama.{key}", [1, 2])
        add_tensors(writer, float_model())
        finish_gguf(writer)
        error = refuse(path)
        assert (error.code, key in str(error)) == ("gguf_metadata", True)


def test_vocabulary_only_files_are_refused(shared_data: Path) -> None:
    for file in sorted((shared_data / "models" / "llama_cpp_vocab").glob("*.gguf")):
        assert read_container(Source.open(file)).metadata["tokenizer.ggml.tokens"]
        assert refuse(file).code == "unsupported"
