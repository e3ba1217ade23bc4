"""Models in GGUF files: their tensors by our names, rotary pairs as neighbours (2i, 2i + 1).

The "llama" architecture of GGUF rotates neighbours, and its converters reorder the rows of Hugging Face checkpoints
to that. The others keep halves (i, i + head_dim / 2), and their rows are reordered here.

A tensor that is not known here is refused, not ignored.
"""

from inference.config import ModelConfig
from inference.convert.float_model import FloatModel, check_shapes
from inference.convert.gguf_config import ARCHITECTURES, ROPE_FACTORS, read_config
from inference.convert.gguf_container import Container, is_gguf, read_container
from inference.convert.gguf_metadata import Metadata
from inference.convert.lazy import LazyTensors
from inference.convert.rope import reordered
from inference.convert.sources import Source
from inference.convert.vocabulary import gguf_vocabulary
from inference.errors import ConversionError

__all__ = ["is_gguf", "read_checkpoint"]

_NAMES = {"token_embd.weight": "tok_embed", "output_norm.weight": "norm_final", "output.weight": "head"}
_LAYER_NAMES = {
    "attn_norm.weight": "norm_attn",
    "attn_q.weight": "wq",
    "attn_q.bias": "wq.bias",
    "attn_q_norm.weight": "norm_q",
    "attn_k.weight": "wk",
    "attn_k.bias": "wk.bias",
    "attn_k_norm.weight": "norm_k",
    "attn_v.weight": "wv",
    "attn_v.bias": "wv.bias",
    "attn_output.weight": "wo",
    "ffn_norm.weight": "norm_ffn",
    "ffn_gate.weight": "w1",
    "ffn_up.weight": "w3",
    "ffn_down.weight": "w2",
}


def read_checkpoint(source: Source, name: str) -> FloatModel:
    """The model of a GGUF file. Raises ConversionError: `gguf_damaged`, `gguf_metadata`, `unsupported`, and others."""
    container = read_container(source)
    config, rope_frequencies = read_config(container, name)
    tensors = _tensors(container, config)
    check_shapes(config, tensors.shapes)
    vocabulary = gguf_vocabulary(container)
    template = Metadata(container).text("tokenizer.chat_template")
    return FloatModel(config, tensors, rope_frequencies, vocabulary, template, {source.name: source.digest})


def _tensors(container: Container, config: ModelConfig) -> LazyTensors:
    architecture = container.metadata["general.architecture"]
    stored = {}
    for theirs in container.tensors:
        if theirs == ROPE_FACTORS and architecture == "llama":
            continue  # part of the frequencies
        name, tensor = _our_name(container, theirs), container.stored(theirs)
        halves = ARCHITECTURES[architecture].halves
        stored[name] = reordered(name, tensor, config.head_dim) if halves else tensor
    return LazyTensors(stored)


def _our_name(container: Container, theirs: str) -> str:
    if theirs in _NAMES:
        return _NAMES[theirs]
    match theirs.split(".", 2):
        case ["blk", layer, part] if part in _LAYER_NAMES and layer.isascii() and layer.isdecimal():
            return f"layers.{layer}.{_LAYER_NAMES[part]}"
    raise ConversionError("unsupported", f"{container.source.name}: tensor {theirs!r} is not one of a known model")
