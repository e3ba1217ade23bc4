"""A checkpoint in floating point, as every source reader hands it to the quantiser."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from inference.config import ModelConfig
from inference.errors import ConversionError, ModelFileError


@dataclass(frozen=True, slots=True)
class FloatModel:
    """Tensors are C-contiguous float32, row-major [out, in], finite; rotary pairs are interleaved (2i, 2i + 1).

    Names and shapes are exactly those of `expected_shapes(config)`; `head` is absent when the output matrix is
    tied to `tok_embed`. Raises ConversionError for any other set, shape, type, or a value that is not finite.
    """

    config: ModelConfig
    tensors: Mapping[str, NDArray[np.float32]]
    rope_theta: Fraction
    tokenizer: bytes  # a serialised sentencepiece ModelProto
    chat_template: str | None = None  # None: the source names no template
    sources: Mapping[str, bytes] = field(default_factory=dict)  # SHA-256 of each source file by base name

    def __post_init__(self) -> None:
        expected = expected_shapes(self.config)
        missing = sorted(expected.keys() - self.tensors.keys() - {"head"})
        unknown = sorted(self.tensors.keys() - expected.keys())
        if missing or unknown:
            raise ConversionError(
                "tensor_set",
                f"source tensors do not make a llama model: missing {missing[:4]}, unexpected {unknown[:4]}",
            )
        for name, tensor in self.tensors.items():
            if tensor.dtype != np.float32 or tensor.shape != expected[name]:
                raise ConversionError(
                    "tensor_shape",
                    f"source tensor {name} is {tensor.dtype} {tensor.shape}, must be float32 {expected[name]}",
                )
            if not np.isfinite(tensor).all():
                raise ConversionError("not_finite", f"source tensor {name} has a NaN or infinite weight")


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every float tensor of a model, `head` included; see SPEC.md, "Conversion"."""
    dim, ffn = config.dim, config.ffn_dim
    queries, keys = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    shapes: dict[str, tuple[int, ...]] = {"tok_embed": (config.vocab_size, dim)}
    for layer in range(config.n_layers):
        shapes |= {
            f"layers.{layer}.norm_attn": (dim,),
            f"layers.{layer}.wq": (queries, dim),
            f"layers.{layer}.wk": (keys, dim),
            f"layers.{layer}.wv": (keys, dim),
            f"layers.{layer}.wo": (dim, queries),
            f"layers.{layer}.norm_ffn": (dim,),
            f"layers.{layer}.w1": (ffn, dim),  # gate
            f"layers.{layer}.w3": (ffn, dim),  # up
            f"layers.{layer}.w2": (dim, ffn),  # down
        }
    shapes["norm_final"] = (dim,)
    shapes["head"] = (config.vocab_size, dim)
    return shapes


def config_from(source: str, norm_eps: Fraction, name: str, **dimensions: int) -> ModelConfig:
    """The configuration that a source file states. Raises ConversionError (`source_header`) if it is out of range."""
    try:
        return ModelConfig(norm_eps_q48=round(norm_eps * (1 << 48)), name=name, family="llama", **dimensions)
    except ModelFileError as error:
        raise ConversionError("source_header", f"{source}: {error}") from error
