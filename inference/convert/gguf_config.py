"""The shape and the rotary frequencies of a model, from a GGUF file's metadata.

A key that could change the meaning of the model and is not known here is refused, not ignored.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from inference.config import ModelConfig
from inference.convert.dequantise import F32
from inference.convert.float_model import config_from
from inference.convert.gguf_container import Container
from inference.convert.gguf_metadata import Metadata
from inference.convert.rope import FactorScaling, LinearScaling, Scaling, frequencies
from inference.errors import ConversionError

ROPE_FACTORS = "rope_freqs.weight"  # Llama 3: what the frequency of each pair is divided by


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a name of GGUF's `general.architecture` fixes."""

    halves: bool  # rotary pairs are (i, i + head_dim / 2); else (2i, 2i + 1), as ours
    qkv_bias: bool | None  # None: as the file has it
    qk_norm: bool


ARCHITECTURES = {
    "llama": Architecture(halves=False, qkv_bias=None, qk_norm=False),  # Mistral too
    "qwen2": Architecture(halves=True, qkv_bias=True, qk_norm=False),
    "qwen3": Architecture(halves=True, qkv_bias=False, qk_norm=True),
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
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",
    "rope.scaling.original_context_length",  # of no effect without YaRN, which is refused
    "rope.scaling.finetuned",
    "vocab_size",
    *_HEAD_WIDTHS,
}
_LLAMA_ONLY = {"attention.sliding_window"}
_NEUTRAL: dict[str, tuple[Any, ...]] = {  # keys that are harmless with these values
    "attention.causal": (True,),
    "attention.sliding_window": (0,),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "rope.scaling.attn_factor": (1,),
    "tensor_data_layout": ("Meta AI original pth",),
}
_GENERAL: dict[str, tuple[Any, ...]] = {
    "general.type": (None, "model"),
    "general.quantization_version": (None, 2),
    "split.count": (None, 0, 1),
}
_HINTS = {"split.count": "; join the parts first, as llama-gguf-split --merge does"}


def read_config(container: Container, name: str) -> tuple[ModelConfig, tuple[Decimal, ...]]:
    """The configuration and the frequencies. Raises ConversionError (`unsupported`, `gguf_metadata`)."""
    architecture = container.metadata.get("general.architecture")
    if type(architecture) is not str or architecture not in ARCHITECTURES:
        raise _unsupported(container, "general.architecture", f"; supported are {', '.join(ARCHITECTURES)}")
    _refuse_unknown_keys(container, architecture)
    metadata, kind = Metadata(container, f"{architecture}."), ARCHITECTURES[architecture]
    dim, n_heads = metadata.integer("embedding_length"), metadata.integer("attention.head_count")
    head_dim = metadata.integer("attention.key_length", dim // n_heads if n_heads else 0)
    for key in _HEAD_WIDTHS:
        if metadata.integer(key, head_dim) != head_dim:
            raise _unsupported(container, f"{architecture}.{key}", f": differs from the head width {head_dim}")
    vocab_size = len(Metadata(container).array("tokenizer.ggml.tokens", str))
    if metadata.integer("vocab_size", vocab_size) != vocab_size:
        raise metadata.error("vocab_size", f"the {vocab_size} tokens of the vocabulary")
    context, window = metadata.integer("context_length"), metadata.integer("attention.sliding_window", 0)
    config = config_from(
        container.source.name,
        family="mistral" if window else architecture,
        dim=dim,
        n_layers=metadata.integer("block_count"),
        n_heads=n_heads,
        n_kv_heads=metadata.integer("attention.head_count_kv", n_heads),
        head_dim=head_dim,
        ffn_dim=metadata.integer("feed_forward_length"),
        vocab_size=vocab_size,
        context_tokens=context,
        window_tokens=window if window < context else 0,
        norm_eps=metadata.number("attention.layer_norm_rms_epsilon"),
        qkv_bias="blk.0.attn_q.bias" in container.tensors if kind.qkv_bias is None else kind.qkv_bias,
        qk_norm=kind.qk_norm,
        name=name,
    )
    theta = metadata.number("rope.freq_base", 10_000)
    return config, frequencies(theta, head_dim, _scaling(container, metadata, head_dim))


def _refuse_unknown_keys(container: Container, architecture: str) -> None:
    known = _KNOWN | _LLAMA_ONLY if architecture == "llama" else _KNOWN
    for key, value in container.metadata.items():
        short = key.removeprefix(f"{architecture}.")
        if short != key and short not in known and not (short in _NEUTRAL and value in _NEUTRAL[short]):
            raise _unsupported(container, key)
    for key, values in _GENERAL.items():
        if container.metadata.get(key) not in values:
            raise _unsupported(container, key, _HINTS.get(key, ""))


def _scaling(container: Container, metadata: Metadata, head_dim: int) -> Scaling | None:
    """A factor without a type is linear, as in llama.cpp; a factor of 0 stands for none."""
    kind = metadata.text("rope.scaling.type")
    if kind not in (None, "none", "linear"):
        raise _unsupported(container, f"{metadata.prefix}rope.scaling.type", "; linear and Llama 3's scaling are read")
    key = "rope.scaling.factor" if metadata.get("rope.scaling.factor") is not None else "rope.scale_linear"
    factor = Fraction(1)
    if kind != "none" and metadata.get(key, 0) != 0:
        factor = metadata.number(key)
    if metadata.prefix == "llama." and ROPE_FACTORS in container.tensors:
        return FactorScaling(_factors(container, head_dim // 2), factor)
    return None if factor == 1 else LinearScaling(factor)


def _factors(container: Container, pairs: int) -> list[Fraction]:
    info = container.tensors[ROPE_FACTORS]
    if info.type is not F32 or info.shape != (pairs,):
        raise ConversionError(
            "tensor_shape",
            f"{container.source.name}: {ROPE_FACTORS} is {info.type.name} {info.shape}, must be F32 ({pairs},)",
        )
    values = container.stored(ROPE_FACTORS).read()
    if not (np.isfinite(values) & (values > 0)).all():
        raise ConversionError(
            "not_finite", f"{container.source.name}: {ROPE_FACTORS} has a factor that is not positive"
        )
    return [Fraction(str(value)) for value in values]


def _unsupported(container: Container, key: str, hint: str = "") -> ConversionError:
    value = container.metadata.get(key)
    shown = f"an array of {len(value)}" if type(value) is list else ascii(value)[:60]
    return ConversionError("unsupported", f"{container.source.name}: {key} = {shown} is not supported{hint}")
