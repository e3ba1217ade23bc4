"""Small float checkpoints, written as llama2.c and GGUF files and Hugging Face folders by code that is not the
converter's.
"""

import json
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import sentencepiece
from numpy.typing import NDArray
from small_vocabulary import SIZE, small_vocabulary

from inference.convert.float_model import FloatModel, config_from, expected_shapes
from inference.convert.rope import frequencies
from inference.convert.vocabulary import byte_piece
from inference.vocabulary import Vocabulary

LAYER_ORDER = ("norm_attn", "wq", "wk", "wv", "wo", "norm_ffn", "w1", "w2", "w3")
GGUF_NAMES = {
    "tok_embed": "token_embd.weight",
    "norm_final": "output_norm.weight",
    "head": "output.weight",
    "norm_attn": "attn_norm.weight",
    "wq": "attn_q.weight",
    "wk": "attn_k.weight",
    "wv": "attn_v.weight",
    "wq.bias": "attn_q.bias",
    "wk.bias": "attn_k.bias",
    "wv.bias": "attn_v.bias",
    "norm_q": "attn_q_norm.weight",
    "norm_k": "attn_k_norm.weight",
    "wo": "attn_output.weight",
    "norm_ffn": "ffn_norm.weight",
    "w1": "ffn_gate.weight",
    "w3": "ffn_up.weight",
    "w2": "ffn_down.weight",
}
FOLDER_NAMES = {
    "tok_embed": "model.embed_tokens.weight",
    "norm_final": "model.norm.weight",
    "head": "lm_head.weight",
    "norm_attn": "input_layernorm.weight",
    "wq": "self_attn.q_proj.weight",
    "wk": "self_attn.k_proj.weight",
    "wv": "self_attn.v_proj.weight",
    "wq.bias": "self_attn.q_proj.bias",
    "wk.bias": "self_attn.k_proj.bias",
    "wv.bias": "self_attn.v_proj.bias",
    "norm_q": "self_attn.q_norm.weight",
    "norm_k": "self_attn.k_norm.weight",
    "wo": "self_attn.o_proj.weight",
    "norm_ffn": "post_attention_layernorm.weight",
    "w1": "mlp.gate_proj.weight",
    "w3": "mlp.up_proj.weight",
    "w2": "mlp.down_proj.weight",
}
ROTATED = ("wq", "wk", "wq.bias", "wk.bias", "norm_q", "norm_k")
Floats = NDArray[np.float32]


def float_model(tied: bool = False, family: str = "llama", seed: int = 7, **changes: Any) -> FloatModel:
    """Widths are multiples of 32, for Q8_0; weights are multiples of 2**-10 below 1/2, so that F16 holds them."""
    shape: dict[str, Any] = {
        "dim": 64,
        "n_layers": 2,
        "n_heads": 4,
        "n_kv_heads": 2,
        "head_dim": 16,
        "ffn_dim": 96,
        "vocab_size": SIZE,
        "context_tokens": 48,
        "qkv_bias": family == "qwen2",
        "qk_norm": family == "qwen3",
    }
    config = config_from("tests", norm_eps=Fraction(1, 100_000), name="small", family=family, **shape | changes)
    generator = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for name, size in expected_shapes(config).items():
        if name == "head" and tied:
            continue
        tensors[name] = (generator.integers(-300, 301, size) / np.float32(1024)).astype(np.float32)
    vocabulary = Vocabulary("sentencepiece", small_vocabulary(), 1, True, 2, (2,), True)
    return FloatModel(config, tensors, frequencies(Fraction(10_000), config.head_dim), vocabulary)


def with_tensors(model: FloatModel, tensors: dict[str, Floats]) -> FloatModel:
    return replace(model, tensors={**model.tensors, **tensors})


def in_halves(rows: Floats, head_dim: int) -> Floats:
    """Rows of heads with pairs (2i, 2i + 1), as Hugging Face keeps them: (i, i + head_dim / 2)."""
    index = np.arange(len(rows)).reshape(-1, head_dim)
    return rows[np.concatenate([index[:, 0::2], index[:, 1::2]], axis=1).reshape(-1)]


def named(model: FloatModel, names: dict[str, str], layer_prefix: str, halves: bool) -> list[tuple[str, Floats]]:
    """Tensors by the names of a format."""
    found = []
    for name, tensor in model.tensors.items():
        place, part = ("", name) if not name.startswith("layers.") else name.split(".", 2)[1:]
        prefix = f"{layer_prefix}.{place}." if place else ""
        moved = in_halves(tensor, model.config.head_dim) if halves and part in ROTATED else tensor
        found.append((prefix + names[part], moved))
    return found


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


def write_llama2c_tokenizer(path: Path, vocabulary: bytes = small_vocabulary()) -> None:
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


def gguf_writer(model: FloatModel, path: Path, architecture: str | None = None) -> gguf.GGUFWriter:
    """A writer with all metadata of a model; the caller may add some more, then add tensors and finish."""
    config = model.config
    family = "llama" if config.family == "mistral" else config.family
    writer = gguf.GGUFWriter(str(path), architecture or family)
    writer.add_name("small")
    writer.add_block_count(config.n_layers)
    writer.add_context_length(config.context_tokens)
    writer.add_embedding_length(config.dim)
    writer.add_feed_forward_length(config.ffn_dim)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.n_kv_heads)
    if config.head_dim * config.n_heads != config.dim:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if config.window_tokens:
        writer.add_sliding_window(config.window_tokens)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    add_vocabulary(writer, model.vocabulary.data)
    return writer


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: bytes) -> None:
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
    """Matrices as `kind`, norms and biases as F32, like every converter does it."""
    for theirs, tensor in gguf_tensors(model):
        add_tensor(writer, theirs, tensor, kind if tensor.ndim == 2 else "F32")


def gguf_tensors(model: FloatModel) -> list[tuple[str, Floats]]:
    return named(model, GGUF_NAMES, "blk", halves=model.config.family.startswith("qwen"))


def add_tensor(writer: gguf.GGUFWriter, name: str, tensor: Floats, kind: str) -> None:
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


def folder_config(model: FloatModel) -> dict[str, Any]:
    config = model.config
    classes = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    values = {
        "architectures": [f"{classes[config.family]}ForCausalLM"],
        "model_type": config.family,
        "hidden_size": config.dim,
        "intermediate_size": config.ffn_dim,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "vocab_size": config.vocab_size,
        "max_position_embeddings": config.context_tokens,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": "head" not in model.tensors,
        "torch_dtype": "float32",
    }
    return values | ({"sliding_window": config.window_tokens or None} if config.family == "mistral" else {})


def safetensors_file(tensors: list[tuple[str, Floats]], kind: str = "F32") -> bytes:
    """`kind` F32, F16 or BF16; the values must be representable."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for name, tensor in tensors:
        if kind == "BF16":
            raw = (tensor.view(np.uint32) >> 16).astype("<u2").tobytes()
        else:
            raw = tensor.astype({"F32": "<f4", "F16": "<f2"}[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def write_folder(model: FloatModel, folder: Path, kind: str = "F32", files: int = 1, **keys: Any) -> None:
    """A Hugging Face folder; `keys` are more keys of its config.json."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(folder_config(model) | keys))
    (folder / "tokenizer.model").write_bytes(model.vocabulary.data)
    tensors = named(model, FOLDER_NAMES, "model.layers", halves=True)
    if files == 1:
        (folder / "model.safetensors").write_bytes(safetensors_file(tensors, kind))
        return
    weight_map = {}
    for part in range(files):
        name = f"model-{part + 1:05}-of-{files:05}.safetensors"
        (folder / name).write_bytes(safetensors_file(tensors[part::files], kind))
        weight_map |= dict.fromkeys((tensor for tensor, _ in tensors[part::files]), name)
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
