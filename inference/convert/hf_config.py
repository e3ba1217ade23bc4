"""The shape of a model from a Hugging Face `config.json`.

Where a key is missing, it has the value that `transformers` gives it, or must be there.
A key that could change the meaning of the model and is not known here is refused, not ignored.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from inference.config import ModelConfig
from inference.convert.float_model import config_from
from inference.convert.hf_fields import Fields
from inference.convert.hf_keys import HARMLESS
from inference.convert.hf_rope import read_frequencies
from inference.convert.strict_json import parse_object

CONFIG_BYTES_MAX = 1 << 20
_CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
_QWEN = ("qwen2", "qwen3")
_KNOWN = {
    "architectures",
    "model_type",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "max_position_embeddings",
    "rms_norm_eps",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "partial_rotary_factor",
    "tie_word_embeddings",
    "layer_types",
}
_WINDOW_KEYS = {
    "llama": set[str](),
    "mistral": {"sliding_window"},
    "qwen2": {"sliding_window", "use_sliding_window", "max_window_layers"},
    "qwen3": {"sliding_window", "use_sliding_window", "max_window_layers"},
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {  # keys that are harmless with these values, and where they are null
    "hidden_act": ("silu",),
    "attention_bias": (False,),  # true: o_proj has a bias too
    "mlp_bias": (False,),
    "use_mrope": (False,),
    "rope_interleaved": (False,),
    "is_encoder_decoder": (False,),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_encoder_decoder": (False,),
    "pruned_heads": ({},),
}


@dataclass(frozen=True, slots=True)
class FolderConfig:
    config: ModelConfig
    rope_frequencies: tuple[Decimal, ...]
    tied: bool  # the output matrix is the embedding


def read_config(data: bytes | memoryview, where: str, name: str) -> FolderConfig:
    """`where` names the file in errors. Raises ConversionError (`hf_config`, `unsupported`, `source_header`)."""
    fields = Fields(parse_object(data, where, "hf_config", CONFIG_BYTES_MAX), where)
    family = fields.text("model_type")
    if family not in _CLASSES:
        raise fields.unsupported("model_type", f"; supported are {', '.join(_CLASSES)}")
    if fields.get("architectures", [_CLASSES[family]]) != [_CLASSES[family]]:
        raise fields.unsupported("architectures", f"; must be {_CLASSES[family]}")
    _refuse_unknown_keys(fields, family)
    dim, n_heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    context, window = fields.integer("max_position_embeddings"), _window(fields, family)
    config = config_from(
        where,
        family=family,
        dim=dim,
        n_layers=fields.integer("num_hidden_layers"),
        n_heads=n_heads,
        n_kv_heads=fields.integer("num_key_value_heads", n_heads if _may_default(fields, family) else None),
        head_dim=fields.integer("head_dim", None if family == "qwen3" else dim // max(n_heads, 1)),
        ffn_dim=fields.integer("intermediate_size"),
        vocab_size=fields.integer("vocab_size"),
        context_tokens=context,
        window_tokens=window if window < context else 0,
        norm_eps=fields.number("rms_norm_eps"),
        qkv_bias=family == "qwen2",
        qk_norm=family == "qwen3",
        name=name,
    )
    return FolderConfig(config, read_frequencies(fields, config.head_dim), fields.flag("tie_word_embeddings"))


def _may_default(fields: Fields, family: str) -> bool:
    """Whether no `num_key_value_heads` means as many as query heads; else a class has a number of its own."""
    return family == "llama" or "num_key_value_heads" in fields.values


def _refuse_unknown_keys(fields: Fields, family: str) -> None:
    known = _KNOWN | _WINDOW_KEYS[family] | HARMLESS
    for key, value in fields.values.items():
        if key not in known and value is not None and value not in _NEUTRAL.get(key, ()):
            raise fields.unsupported(key)


def _window(fields: Fields, family: str) -> int:
    """Tokens that each token attends to, 0 for all. A model whose layers differ in that is refused."""
    window = fields.integer("sliding_window", 0)
    switched_off = family in _QWEN and not fields.flag("use_sliding_window")
    if _WINDOW_KEYS[family] and not switched_off:
        if "sliding_window" not in fields.values:
            raise fields.error("sliding_window", "there; null stands for none")
        if fields.values["sliding_window"] == 0:
            raise fields.unsupported("sliding_window")
    if switched_off:
        window = 0
    n_layers, types = fields.integer("num_hidden_layers"), fields.get("layer_types")
    if types is None:
        first = fields.integer("max_window_layers", 28 if family in _QWEN else 0)
        if window and 0 < first < n_layers:
            raise fields.unsupported("max_window_layers", ": only the layers after these have a window")
        return window if first < n_layers else 0
    if type(types) is not list or len(types) != n_layers or any(kind != types[0] for kind in types):
        raise fields.unsupported("layer_types", "; all layers must be of one type")
    if types[:1] == ["full_attention"] and (family in _QWEN or not window):
        return 0
    if types[:1] != ["sliding_attention"] or not window:
        raise fields.unsupported("layer_types")
    return window
