"""Llama models in GGUF files: metadata and tensors.

Rotary pairs: the "llama" architecture of GGUF rotates neighbours (2i, 2i + 1), and its converters reorder the rows
of Hugging Face checkpoints to that. This is our order too, so no row is moved here.

A key or tensor that could change the meaning of the model and is not known here is refused, not ignored.
"""

from fractions import Fraction
from typing import Any

import numpy as np

from inference.config import ModelConfig
from inference.convert.float_model import FloatModel, config_from
from inference.convert.gguf_container import Container, is_gguf, read_container
from inference.convert.sources import Source
from inference.convert.vocabulary import gguf_vocabulary
from inference.errors import ConversionError

__all__ = ["is_gguf", "read_checkpoint"]

_TENSOR_NAMES = {"token_embd": "tok_embed", "output_norm": "norm_final", "output": "head"}
_LAYER_NAMES = {
    "attn_norm": "norm_attn",
    "attn_q": "wq",
    "attn_k": "wk",
    "attn_v": "wv",
    "attn_output": "wo",
    "ffn_norm": "norm_ffn",
    "ffn_gate": "w1",
    "ffn_up": "w3",
    "ffn_down": "w2",
}
_HEAD_WIDTHS = ("rope.dimension_count", "attention.key_length", "attention.value_length")
_KNOWN = {
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.layer_norm_rms_epsilon",
    "rope.freq_base",
    "vocab_size",
    *_HEAD_WIDTHS,
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {  # keys that are harmless with these values
    "expert_count": (0,),
    "expert_used_count": (0,),
    "rope.scaling.type": ("none",),
    "rope.scaling.factor": (0, 1),
    "rope.scale_linear": (1,),
    "tensor_data_layout": ("Meta AI original pth",),
}


def read_checkpoint(source: Source, name: str) -> FloatModel:
    """The model of a GGUF file. Raises ConversionError: `gguf_damaged`, `gguf_metadata`, `unsupported`, and others."""
    container = read_container(source)
    config, rope_theta = _read_config(container, name)
    tensors = {_our_name(container, theirs): container.tensor(theirs) for theirs in container.tensors}
    template = container.metadata.get("tokenizer.chat_template")
    if template is not None and type(template) is not str:
        raise _metadata(container, "tokenizer.chat_template", "a text")
    return FloatModel(config, tensors, rope_theta, gguf_vocabulary(container), template, {source.name: source.digest})


def _read_config(container: Container, name: str) -> tuple[ModelConfig, Fraction]:
    architecture = container.metadata.get("general.architecture")
    if architecture != "llama":
        raise ConversionError(
            "unsupported", f"{container.source.name}: architecture {architecture!r}; only 'llama' is supported"
        )
    _refuse_unknown_keys(container)
    dim, n_heads = _integer(container, "llama.embedding_length"), _integer(container, "llama.attention.head_count")
    head_dim = _integer(container, "llama.attention.key_length", dim // n_heads if n_heads else 0)
    for key in _HEAD_WIDTHS:
        if _integer(container, f"llama.{key}", head_dim) != head_dim:
            raise ConversionError(
                "unsupported", f"{container.source.name}: llama.{key} differs from the head width {head_dim}"
            )
    vocab_size = len(_array(container, "tokenizer.ggml.tokens", str))
    if _integer(container, "llama.vocab_size", vocab_size) != vocab_size:
        raise _metadata(container, "llama.vocab_size", f"the {vocab_size} tokens of the vocabulary")
    config = config_from(
        container.source.name,
        dim=dim,
        n_layers=_integer(container, "llama.block_count"),
        n_heads=n_heads,
        n_kv_heads=_integer(container, "llama.attention.head_count_kv", n_heads),
        head_dim=head_dim,
        ffn_dim=_integer(container, "llama.feed_forward_length"),
        vocab_size=vocab_size,
        context_tokens=_integer(container, "llama.context_length"),
        norm_eps=_fraction(container, "llama.attention.layer_norm_rms_epsilon"),
        name=name,
    )
    return config, _fraction(container, "llama.rope.freq_base", 10_000)


def _refuse_unknown_keys(container: Container) -> None:
    for key, value in container.metadata.items():
        short = key.removeprefix("llama.")
        if short == key or short in _KNOWN or (short in _NEUTRAL and value in _NEUTRAL[short]):
            continue
        raise ConversionError("unsupported", f"{container.source.name}: {key} = {str(value)[:60]} is not supported")


def _our_name(container: Container, theirs: str) -> str:
    match theirs.split("."):
        case [part, "weight"] if part in _TENSOR_NAMES:
            return _TENSOR_NAMES[part]
        case ["blk", layer, part, "weight"] if part in _LAYER_NAMES and layer.isascii() and layer.isdecimal():
            return f"layers.{layer}.{_LAYER_NAMES[part]}"
    raise ConversionError(
        "unsupported", f"{container.source.name}: tensor {theirs!r} is not part of a plain llama model"
    )


def _integer(container: Container, key: str, default: int | None = None) -> int:
    value = container.metadata.get(key, default)
    if type(value) is not int or value < 0:
        raise _metadata(container, key, "one non-negative integer")
    return value


def _fraction(container: Container, key: str, default: int | None = None) -> Fraction:
    """A float32 as the shortest decimal number that names it, so that 1e-5 is exactly that."""
    value = container.metadata.get(key, default)
    if type(value) not in (int, np.float32) or not np.isfinite(value) or not value > 0:
        raise _metadata(container, key, "one positive float32")
    return Fraction(str(value))


def _array(container: Container, key: str, kind: type) -> list[Any]:
    values = container.metadata.get(key)
    if type(values) is not list or any(type(value) is not kind for value in values):
        raise _metadata(container, key, f"an array of {kind.__name__}")
    return values


def _metadata(container: Container, key: str, rule: str) -> ConversionError:
    return ConversionError("gguf_metadata", f"{container.source.name}: {key} is missing or is not {rule}")
