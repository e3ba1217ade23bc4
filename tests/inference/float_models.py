"""Small float checkpoints, written as llama2.c and as GGUF files by code that is not the converter's."""

import struct
from fractions import Fraction
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
from numpy.typing import NDArray
from tiny_model import tiny_vocabulary

from inference.convert.float_model import FloatModel, config_from, expected_shapes
from inference.convert.vocabulary import byte_piece
from inference.tokenizer import Tokenizer

LAYER_ORDER = ("norm_attn", "wq", "wk", "wv", "wo", "norm_ffn", "w1", "w2", "w3")
GGUF_NAMES = {
    "tok_embed": "token_embd",
    "norm_final": "output_norm",
    "head": "output",
    "norm_attn": "attn_norm",
    "wq": "attn_q",
    "wk": "attn_k",
    "wv": "attn_v",
    "wo": "attn_output",
    "norm_ffn": "ffn_norm",
    "w1": "ffn_gate",
    "w3": "ffn_up",
    "w2": "ffn_down",
}


def float_model(tied: bool = False) -> FloatModel:
    """Widths are multiples of 32, for Q8_0; weights are multiples of 2**-10, so that F16 holds them."""
    config = config_from(
        "tests",
        dim=64,
        n_layers=2,
        n_heads=4,
        n_kv_heads=2,
        head_dim=16,
        ffn_dim=96,
        vocab_size=Tokenizer(tiny_vocabulary()).vocab_size,
        context_tokens=48,
        norm_eps=Fraction(1, 100_000),
        bos_id=1,
        eos_id=2,
        name="small",
    )
    generator = np.random.Generator(np.random.PCG64(7))
    tensors = {}
    for name, shape in expected_shapes(config).items():
        if name == "head" and tied:
            continue
        tensors[name] = (generator.integers(-300, 301, shape) / np.float32(1024)).astype(np.float32)
    return FloatModel(config, tensors, Fraction(10_000), tiny_vocabulary())


def write_llama2c(model: FloatModel, path: Path) -> None:
    config, tied = model.config, "head" not in model.tensors
    vocab = config.vocab_size if tied else -config.vocab_size
    with open(path, "wb") as file:
        file.write(
            struct.pack(
                "<7i",
                config.dim,
                config.ffn_dim,
                config.n_layers,
                config.n_heads,
                config.n_kv_heads,
                vocab,
                config.context_tokens,
            )
        )
        names = ["tok_embed"]
        names += [f"layers.{layer}.{part}" for part in LAYER_ORDER for layer in range(config.n_layers)]
        for name in [*names, "norm_final"]:
            file.write(model.tensors[name].tobytes())
        file.write(bytes(4 * 2 * config.context_tokens * config.head_dim // 2))  # rotary tables, which nobody reads
        if not tied:
            file.write(model.tensors["head"].tobytes())


def write_llama2c_tokenizer(path: Path, vocabulary: bytes = tiny_vocabulary()) -> None:
    """As llama2.c's own export does it: plain spaces, and newlines around the names of BOS and EOS."""
    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary)
    texts = []
    for id in range(pieces.vocab_size()):
        text = pieces.id_to_piece(id)
        text = f"\n{text}\n" if id in (1, 2) else text.replace("\u2581", " ")
        texts.append((pieces.get_score(id), text.encode()))
    with open(path, "wb") as file:
        file.write(struct.pack("<I", max(len(text) for _, text in texts)))
        for score, text in texts:
            file.write(struct.pack("<fI", score, len(text)) + text)


def gguf_writer(model: FloatModel, path: Path, architecture: str = "llama") -> gguf.GGUFWriter:
    """A writer with all metadata of a model; the caller may add some more, then add tensors and finish."""
    config = model.config
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name("small")
    writer.add_block_count(config.n_layers)
    writer.add_context_length(config.context_tokens)
    writer.add_embedding_length(config.dim)
    writer.add_feed_forward_length(config.ffn_dim)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.n_kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    _add_vocabulary(writer, model.tokenizer)
    return writer


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: bytes) -> None:
    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary)
    ids = range(pieces.vocab_size())
    types = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    for id in ids[3:]:
        is_byte = 3 <= id < 259 and pieces.id_to_piece(id) == byte_piece(id - 3)
        types.append(gguf.TokenType.BYTE if is_byte else gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([pieces.id_to_piece(id).encode() for id in ids])
    writer.add_token_scores([pieces.get_score(id) for id in ids])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)


def add_tensors(writer: gguf.GGUFWriter, model: FloatModel, kind: str = "F32") -> None:
    """Matrices as `kind`, norms as F32, like every converter does it."""
    for name, tensor in model.tensors.items():
        part = name.rsplit(".", 1)[-1]
        theirs = GGUF_NAMES[part] + ".weight"
        if name.startswith("layers."):
            theirs = f"blk.{name.split('.')[1]}.{theirs}"
        _add_tensor(writer, theirs, tensor, kind if tensor.ndim == 2 else "F32")


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: NDArray[np.float32], kind: str) -> None:
    if kind == "F32":
        writer.add_tensor(name, tensor)
    elif kind == "F16":
        writer.add_tensor(name, tensor.astype(np.float16))
    else:
        quantised = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(name, gguf.quants.quantize(tensor, quantised), raw_dtype=quantised)


def finish_gguf(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf(model: FloatModel, path: Path, kind: str = "F32") -> None:
    writer = gguf_writer(model, path)
    add_tensors(writer, model, kind)
    finish_gguf(writer)
