"""Models in Hugging Face folders: `config.json`, safetensors files, and the files of a tokenizer.

Rotary pairs stand in halves (i, i + head_dim / 2) there; the rows are reordered to neighbours (2i, 2i + 1).
"""

import re
from pathlib import Path

from inference.convert.float_model import FloatModel, check_shapes
from inference.convert.hf_config import FolderConfig, read_config
from inference.convert.hf_files import TEXT_FILES
from inference.convert.hf_template import chat_template
from inference.convert.hf_vocabulary import folder_vocabulary
from inference.convert.hf_weights import FolderWeights, open_weights
from inference.convert.lazy import LazyTensors
from inference.convert.rope import reordered
from inference.convert.safetensors import Weights
from inference.convert.sources import Source
from inference.errors import ConversionError

CONFIG = "config.json"
_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"
_NAMES = {_EMBEDDING: "tok_embed", "model.norm.weight": "norm_final", _HEAD: "head"}
_LAYER_NAMES = {
    "input_layernorm.weight": "norm_attn",
    "self_attn.q_proj.weight": "wq",
    "self_attn.q_proj.bias": "wq.bias",
    "self_attn.q_norm.weight": "norm_q",
    "self_attn.k_proj.weight": "wk",
    "self_attn.k_proj.bias": "wk.bias",
    "self_attn.k_norm.weight": "norm_k",
    "self_attn.v_proj.weight": "wv",
    "self_attn.v_proj.bias": "wv.bias",
    "self_attn.o_proj.weight": "wo",
    "post_attention_layernorm.weight": "norm_ffn",
    "mlp.gate_proj.weight": "w1",
    "mlp.up_proj.weight": "w3",
    "mlp.down_proj.weight": "w2",
}
_LAYER = re.compile(r"model\.layers\.(0|[1-9][0-9]{0,3})\.(.+)", re.ASCII)
_ROTARY_TABLE = "self_attn.rotary_emb.inv_freq"  # old checkpoints carry what `config.json` says anyway


def read_folder(folder: Path, name: str, file: str | None = None) -> FloatModel:
    """The model of a folder; `file` names its safetensors file, None to find it. Raises ConversionError."""
    config_file = Source.open(folder / CONFIG)
    found = read_config(config_file.data, CONFIG, name)
    weights = open_weights(folder, file)
    tensors = _tensors(weights, found)
    check_shapes(found.config, tensors.shapes)
    vocabulary, template = folder_vocabulary(folder), chat_template(folder)
    texts = [Source.open(folder / text) for text in TEXT_FILES if (folder / text).exists()]
    digests = {source.name: source.digest for source in (config_file, *weights.sources, *texts)}
    return FloatModel(found.config, tensors, found.rope_frequencies, vocabulary, template, digests)


def _tensors(weights: FolderWeights, found: FolderConfig) -> LazyTensors:
    stored = {}
    for theirs, file in weights.tensors.items():
        name = _our_name(file, theirs)
        if name is not None:
            stored[name] = reordered(name, file.stored(theirs), found.config.head_dim)
    if found.tied and "head" in stored:
        _check_copy(weights, _HEAD, _EMBEDDING)
        del stored["head"]
    elif not found.tied and "head" not in stored:
        raise ConversionError("tensor_set", f"{CONFIG}: tie_word_embeddings is not true, but there is no {_HEAD}")
    return LazyTensors(stored)


def _our_name(file: Weights, theirs: str) -> str | None:
    """None: a tensor that is not needed."""
    if theirs in _NAMES:
        return _NAMES[theirs]
    if (match := _LAYER.fullmatch(theirs)) is not None:
        if match[2] in _LAYER_NAMES:
            return f"layers.{match[1]}.{_LAYER_NAMES[match[2]]}"
        if match[2] == _ROTARY_TABLE:
            return None
    raise ConversionError("unsupported", f"{file.source.name}: tensor {theirs!r} is not one of a known model")


def _check_copy(weights: FolderWeights, name: str, of: str) -> None:
    """A head beside tied embeddings must be a copy: implementations disagree about which of the two would count."""
    pair = [(file.tensors[key].dtype, file.data(key)) for key, file in weights.tensors.items() if key in (name, of)]
    if len(pair) != 2 or pair[0] != pair[1]:
        raise ConversionError("unsupported", f"{CONFIG}: tie_word_embeddings is true, but {name} is not a copy of {of}")
