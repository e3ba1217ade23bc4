"""A checkpoint in floating point, as every source reader hands it to the quantiser."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from inference.config import ModelConfig
from inference.convert.lazy import Floats
from inference.errors import ConversionError, ModelFileError
from inference.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class FloatModel:
    """`tensors` may be a mapping that reads a tensor when it is asked for; nothing here keeps one.

    Names are exactly those of `expected_shapes(config)`; `head` is absent when the output matrix is tied to
    `tok_embed`. Raises ConversionError (`tensor_set`) for any other set.
    """

    config: ModelConfig
    tensors: Mapping[str, Floats]
    rope_frequencies: tuple[Decimal, ...]  # radians per position of each rotary pair
    vocabulary: Vocabulary
    chat_template: str | None = None  # None: the source names no template
    sources: Mapping[str, bytes] = field(default_factory=dict)  # SHA-256 of each source file by base name

    def __post_init__(self) -> None:
        check_names(self.config, self.tensors.keys())
        assert len(self.rope_frequencies) == self.config.head_dim // 2

    def tensor(self, name: str) -> Floats:
        """A tensor of the expected shape, float32, row-major [out, in], finite; rotary pairs are (2i, 2i + 1).

        Raises ConversionError (`tensor_shape`, `not_finite`).
        """
        tensor, shape = self.tensors[name], expected_shapes(self.config)[name]
        if tensor.dtype != np.float32 or tensor.shape != shape:
            raise ConversionError(
                "tensor_shape", f"source tensor {name} is {tensor.dtype} {tensor.shape}, must be float32 {shape}"
            )
        if not np.isfinite(tensor).all():
            raise ConversionError("not_finite", f"source tensor {name} has a NaN or infinite weight")
        return tensor


def check_names(config: ModelConfig, names: Set[str]) -> None:
    """Raises ConversionError (`tensor_set`) unless these are the tensors of a model; `head` may be missing."""
    expected = expected_shapes(config).keys()
    missing = sorted(expected - names - {"head"})
    unknown = sorted(names - expected)
    if missing or unknown:
        raise ConversionError(
            "tensor_set",
            f"source tensors do not make a {config.family} model: missing {missing[:4]}, unexpected {unknown[:4]}",
        )


def check_shapes(config: ModelConfig, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Names and shapes before any tensor is read. Raises ConversionError (`tensor_set`, `tensor_shape`)."""
    check_names(config, shapes.keys())
    expected = expected_shapes(config)
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise ConversionError("tensor_shape", f"source tensor {name} is {shape}, must be {expected[name]}")


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every float tensor of a model, `head` included; see SPEC.md, "Conversion"."""
    dim, ffn = config.dim, config.ffn_dim
    queries, keys = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    shapes: dict[str, tuple[int, ...]] = {"tok_embed": (config.vocab_size, dim)}
    for layer in range(config.n_layers):
        p = f"layers.{layer}."
        shapes |= {
            p + "norm_attn": (dim,),
            p + "wq": (queries, dim),
            p + "wk": (keys, dim),
            p + "wv": (keys, dim),
            p + "wo": (dim, queries),
            p + "norm_ffn": (dim,),
            p + "w1": (ffn, dim),  # gate
            p + "w3": (ffn, dim),  # up
            p + "w2": (dim, ffn),  # down
        }
        if config.qkv_bias:
            shapes |= {p + "wq.bias": (queries,), p + "wk.bias": (keys,), p + "wv.bias": (keys,)}
        if config.qk_norm:
            shapes |= {p + "norm_q": (config.head_dim,), p + "norm_k": (config.head_dim,)}
    shapes["norm_final"] = (dim,)
    shapes["head"] = (config.vocab_size, dim)
    return shapes


def config_from(source: str, norm_eps: Fraction, name: str, family: str = "llama", **others: Any) -> ModelConfig:
    """The configuration that a source file states; `others` are fields of ModelConfig.

    Raises ConversionError (`source_header`) if it is out of range.
    """
    try:
        return ModelConfig(norm_eps_q48=round(norm_eps * (1 << 48)), name=name, family=family, **others)
    except ModelFileError as error:
        raise ConversionError("source_header", f"{source}: {error}") from error
