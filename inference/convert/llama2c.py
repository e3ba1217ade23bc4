"""Reader of llama2.c's legacy checkpoints.

    checkpoint   7 int32: dim hidden_dim n_layers n_heads n_kv_heads vocab_size seq_len, then float32 tensors:
                 tok_embed, then for all layers together norm_attn wq wk wv wo norm_ffn w1 w2 w3, then norm_final,
                 cosines and sines of the rotary angles (not used here), and the head if vocab_size is negative

Little endian. The header fixes the exact size of a checkpoint, which is checked before anything else is read.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from inference.config import RANGES, ModelConfig
from inference.convert.dequantise import F32, stored
from inference.convert.float_model import FloatModel, config_from, expected_shapes
from inference.convert.lazy import LazyTensors, StoredTensor
from inference.convert.llama2c_vocabulary import llama2c_vocabulary
from inference.convert.rope import frequencies
from inference.convert.sources import Source
from inference.errors import ConversionError

_HEADER = struct.Struct("<7i")
_LAYER_ORDER = ("norm_attn", "wq", "wk", "wv", "wo", "norm_ffn", "w1", "w2", "w3")
_NORM_EPS = Fraction(1, 100_000)  # fixed in llama2.c
_ROPE_THETA = Fraction(10_000)
_FIELDS = ("dim", "ffn_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "context_tokens")


@dataclass(frozen=True, slots=True)
class Header:
    """A checkpoint whose header and size agree. `order` names each stored part and its size in bytes."""

    source: Source
    config: ModelConfig
    order: tuple[tuple[str, int], ...]


def is_checkpoint(source: Source) -> bool:
    """Whether the file begins like a checkpoint: seven integers that could be a model's dimensions.

    No text does, because four ASCII characters make an integer above every bound.
    """
    if len(source.data) < _HEADER.size:
        return False
    fields = dict(zip(_FIELDS, _HEADER.unpack_from(source.data), strict=True))
    fields["vocab_size"] = abs(fields["vocab_size"])
    in_range = all(RANGES[name][0] <= value <= RANGES[name][1] for name, value in fields.items())
    return in_range and fields["dim"] % fields["n_heads"] == 0


def read_header(source: Source, name: str) -> Header:
    """The configuration and the layout of a checkpoint. Raises ConversionError (`source_header`, `source_size`)."""
    config, tied = _read_config(source, name)
    shapes = expected_shapes(config)
    rotary = (config.context_tokens, config.head_dim // 2)
    order = ["tok_embed"]
    order += [f"layers.{layer}.{part}" for part in _LAYER_ORDER for layer in range(config.n_layers)]
    order += ["norm_final", "cosines", "sines"] + ([] if tied else ["head"])
    sizes = [4 * prod(shapes.get(tensor, rotary)) for tensor in order]
    if _HEADER.size + sum(sizes) != len(source.data):
        raise ConversionError(
            "source_size",
            f"{source.name}: {len(source.data)} bytes, its header asks for {_HEADER.size + sum(sizes)}; "
            "not a llama2.c checkpoint of the legacy format, or cut short",
        )
    return Header(source, config, tuple(zip(order, sizes, strict=True)))


def read_checkpoint(header: Header, tokenizer: Source) -> FloatModel:
    """The model of a legacy checkpoint.

    `tokenizer` is a llama2.c tokenizer if its name ends in `.bin`, else a sentencepiece ModelProto. Raises
    ConversionError.
    """
    source, shapes = header.source, expected_shapes(header.config)
    tensors: dict[str, StoredTensor] = {}
    offset = _HEADER.size
    for name, size in header.order:
        if name in shapes:
            tensors[name] = stored(source, offset, F32, shapes[name])
        offset += size
    vocabulary = llama2c_vocabulary(tokenizer)
    digests = {file.name: file.digest for file in (source, tokenizer)}
    rope_frequencies = frequencies(_ROPE_THETA, header.config.head_dim)
    return FloatModel(header.config, LazyTensors(tensors), rope_frequencies, vocabulary, None, digests)


def _read_config(source: Source, name: str) -> tuple[ModelConfig, bool]:
    """The configuration, and whether the head is tied to the embedding."""
    if len(source.data) < _HEADER.size:
        raise ConversionError("source_size", f"{source.name}: {len(source.data)} bytes are too few for a checkpoint")
    dim, ffn_dim, n_layers, n_heads, n_kv_heads, vocab_size, context_tokens = _HEADER.unpack_from(source.data)
    if n_heads < 1 or dim % n_heads:
        raise ConversionError("source_header", f"{source.name}: dim {dim} is not a multiple of {n_heads} heads")
    config = config_from(
        source.name,
        dim=dim,
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        head_dim=dim // n_heads,
        ffn_dim=ffn_dim,
        vocab_size=abs(vocab_size),
        context_tokens=context_tokens,
        norm_eps=_NORM_EPS,
        name=name,
    )
    return config, vocab_size > 0
