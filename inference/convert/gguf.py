<<<<<<< HEAD
"""Models in GGUF files: their tensors by our names, rotary pairs as neighbours (2i, 2i + 1).
=======
"""Llama models in GGUF files: metadata and tensors.
>>>>>>> tokens

The "llama" architecture of GGUF rotates neighbours, and its converters reorder the rows of Hugging Face checkpoints
to that. The others keep halves (i, i + head_dim / 2), and their rows are reordered here.

A tensor that is not known here is refused, not ignored.
"""

from inference.config import ModelConfig
from inference.convert.float_model import FloatModel, check_shapes
from inference.convert.gguf_config import ARCHITECTURES, ROPE_FACTORS, read_config
from inference.convert.gguf_container import Container, is_gguf, read_container
from inference.convert.gguf_metadata import Metadata
from inference.convert.interim import gguf_vocabulary
from inference.convert.lazy import LazyTensors
from inference.convert.rope import reordered
from inference.convert.sources import Source
<<<<<<< HEAD
=======
from inference.convert.vocabulary import gguf_vocabulary
>>>>>>> tokens
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
<<<<<<< HEAD
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
=======
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
>>>>>>> tokens


def _our_name(container: Container, theirs: str) -> str:
    if theirs in _NAMES:
        return _NAMES[theirs]
    match theirs.split(".", 2):
        case ["blk", layer, part] if part in _LAYER_NAMES and layer.isascii() and layer.isdecimal():
            return f"layers.{layer}.{_LAYER_NAMES[part]}"
<<<<<<< HEAD
    raise ConversionError("unsupported", f"{container.source.name}: tensor {theirs!r} is not one of a known model")
=======
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
>>>>>>> tokens
