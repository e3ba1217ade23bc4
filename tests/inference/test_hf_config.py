"""`config.json`: what is read, and that everything that would change the model is refused by name."""

import json
from decimal import Decimal
from typing import Any

import pytest
from float_models import float_model, folder_config
from peers import peer

from inference.convert.hf_config import FolderConfig, read_config
from inference.convert.hf_keys import HARMLESS
from inference.errors import ConversionError

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
GONE = object()  # in place of a value: the key is missing


def read(family: str = "llama", **keys: Any) -> FolderConfig:
    values = folder_config(float_model(family=family)) | keys
    text = json.dumps({key: value for key, value in values.items() if value is not GONE})
    return read_config(text.encode(), "config.json", "small")


def refuse(family: str = "llama", **keys: Any) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        read(family, **keys)
    return caught.value


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_configuration_is_read(family: str) -> None:
    expected = float_model(family=family)
    found = read(family)
    assert (found.config, found.rope_frequencies, found.tied) == (expected.config, expected.rope_frequencies, False)
    assert read(family, tie_word_embeddings=True).tied
    assert not read(family, tie_word_embeddings=GONE).tied


def test_missing_keys_have_the_values_of_the_reference() -> None:
    found = read(num_key_value_heads=GONE, head_dim=GONE, rope_theta=GONE, hidden_act=GONE).config
    assert (found.n_kv_heads, found.head_dim) == (4, 16)
    assert read(num_key_value_heads=None, head_dim=None, architectures=None).config == found
    assert read("qwen2", head_dim=GONE).config.head_dim == 16
    assert read("mistral", num_key_value_heads=None).config.n_kv_heads == 4


@pytest.mark.parametrize(
    ("family", "key"),
    [
        *(("llama", key) for key in ("model_type", "hidden_size", "intermediate_size", "num_hidden_layers")),
        *(("llama", key) for key in ("num_attention_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps")),
        ("mistral", "num_key_value_heads"),
        ("mistral", "sliding_window"),
        ("qwen2", "num_key_value_heads"),
        ("qwen3", "head_dim"),
    ],
)
def test_keys_without_a_safe_default_must_be_there(family: str, key: str) -> None:
    error = refuse(family, **{key: GONE})
    assert (error.code, key in str(error)) == ("hf_config", True)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden_act", "gelu"),
        ("attention_bias", True),
        ("mlp_bias", True),
        ("partial_rotary_factor", 0.5),
        ("rope_interleaved", True),
        ("quantization_config", {"bits": 4}),
        ("quantization", {"bits": 4}),
        ("num_local_experts", 8),
        ("num_experts_per_tok", 2),
        ("final_logit_softcapping", 30.0),
        ("attn_logit_softcapping", 50.0),
        ("attention_multiplier", 0.5),
        ("embedding_multiplier", 12.0),
        ("residual_multiplier", 0.2),
        ("logits_scaling", 8.0),
        ("query_pre_attn_scalar", 256),
        ("original_max_position_embeddings", 4096),
        ("per_layer_config", {"0": {}}),
        ("tie_last_hidden_states", True),
        ("no_rope_layers", [1, 0]),
        ("auto_map", {"AutoModelForCausalLM": "modeling.Own"}),
        ("is_encoder_decoder", True),
        ("layer_types", ["full_attention", "sliding_attention"]),
        ("layer_types", ["full_attention"]),
        ("layer_types", "full_attention"),
        ("layer_types", [["full_attention"]] * 2),
        ("a_key_of_tomorrow", 1),
    ],
)
def test_what_would_change_the_model_is_refused_by_name(family: str, key: str, value: Any) -> None:
    error = refuse(family, **{key: value})
    assert (error.code, f"config.json: {key} = " in str(error)) == ("unsupported", True)


@pytest.mark.parametrize(
    "keys",
    [
        {"model_type": "mixtral"},
        {"model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"]},
        {"architectures": ["LlamaForSequenceClassification"]},
        {"architectures": ["LlamaForCausalLM", "Other"]},
        {"architectures": "LlamaForCausalLM"},
        {"sliding_window": 4096},
    ],
)
def test_other_classes_are_refused(keys: dict[str, Any]) -> None:
    error = refuse(**keys)
    assert (error.code, any(key in str(error) for key in keys)) == ("unsupported", True)


def test_harmless_keys_are_ignored() -> None:
    plain = read().config
    for key in HARMLESS:
        for value in (None, 1, 0.5, "text", [1], {"a": 1}):
            assert read(**{key: value}).config == plain


def test_everything_that_the_reference_writes_is_known() -> None:
    """All keys of its own default configurations, with the values that we support."""
    transformers = peer("transformers")
    for family, name in zip(FAMILIES, ("Llama", "Mistral", "Qwen2", "Qwen3"), strict=True):
        values = getattr(transformers, f"{name}Config")().to_dict()
        known = {key: value for key, value in values.items() if key not in folder_config(float_model())}
        known |= {"rope_theta": GONE} | ({"layer_types": ["full_attention"] * 2} if "layer_types" in known else {})
        assert read(family, **known).config.family == family


@pytest.mark.parametrize(
    ("family", "keys", "window"),
    [
        ("mistral", {"sliding_window": None}, 0),
        ("mistral", {"sliding_window": 1}, 1),
        ("mistral", {"sliding_window": 47}, 47),
        ("mistral", {"sliding_window": 48}, 0),  # as long as the context
        ("mistral", {"sliding_window": 7, "layer_types": ["sliding_attention"] * 2}, 7),
        ("qwen2", {"sliding_window": 7}, 0),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": False, "max_window_layers": 1}, 0),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 0}, 7),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 2}, 0),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": True}, 0),
        ("qwen2", {"sliding_window": None, "use_sliding_window": True, "max_window_layers": 0}, 0),
        ("qwen3", {"sliding_window": 7, "use_sliding_window": True, "layer_types": ["sliding_attention"] * 2}, 7),
        ("qwen3", {"sliding_window": 7, "use_sliding_window": True, "layer_types": ["full_attention"] * 2}, 0),
    ],
)
def test_windows(family: str, keys: dict[str, Any], window: int) -> None:
    assert read(family, **keys).config.window_tokens == window


@pytest.mark.parametrize(
    ("family", "keys"),
    [
        ("mistral", {"sliding_window": 0}),
        ("mistral", {"sliding_window": -1}),
        ("mistral", {"sliding_window": 7, "layer_types": ["full_attention"] * 2}),
        ("mistral", {"sliding_window": None, "layer_types": ["sliding_attention"] * 2}),
        ("qwen2", {"sliding_window": 7, "use_sliding_window": True, "max_window_layers": 1}),
        ("qwen2", {"sliding_window": GONE, "use_sliding_window": True}),
        ("qwen2", {"sliding_window": 7, "layer_types": ["sliding_attention"] * 2}),
        ("qwen2", {"use_sliding_window": 1}),
    ],
)
def test_windows_that_are_not_the_same_everywhere_are_refused(family: str, keys: dict[str, Any]) -> None:
    assert refuse(family, **keys).code in ("unsupported", "hf_config")


LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1,
    "high_freq_factor": 4,
    "original_max_position_embeddings": 32,
}


@pytest.mark.parametrize(
    "keys",
    [
        {"rope_theta": 500000, "rope_scaling": LLAMA3},
        {"rope_theta": 500000.0, "rope_scaling": LLAMA3 | {"type": "llama3"}},
        {"rope_theta": GONE, "rope_parameters": LLAMA3 | {"rope_theta": 5e5}},
        {"rope_theta": 500000, "rope_parameters": LLAMA3 | {"rope_theta": 5e5, "partial_rotary_factor": 1.0}},
    ],
)
def test_old_and_new_names_of_rotary_keys_mean_the_same(keys: dict[str, Any]) -> None:
    expected = read(rope_theta=GONE, rope_parameters=LLAMA3 | {"rope_theta": 500000}).rope_frequencies
    assert read(**keys).rope_frequencies == expected
    assert expected != read(rope_theta=500000).rope_frequencies


def test_linear_scaling_divides_exactly() -> None:
    for keys in ({"type": "linear", "factor": 4}, {"rope_type": "linear", "factor": 4.0}):
        assert read(rope_scaling=keys).rope_frequencies[0] == Decimal("0.25")
    for keys in (None, {}, {"type": "default"}, {"rope_type": "default"}):
        assert read(rope_scaling=keys).rope_frequencies[0] == 1


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "type"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope_type"),
        ({"rope_scaling": {"type": "longrope", "long_factor": [1.0]}}, "type"),
        ({"rope_scaling": {"type": "mrope", "mrope_section": [1]}}, "type"),
        ({"rope_scaling": {"type": "linear", "rope_type": "llama3"}}, "type"),
        ({"rope_scaling": {"type": 3}}, "type"),
        ({"rope_scaling": [1]}, "rope_scaling"),
        ({"rope_scaling": {"type": "linear"}}, "factor"),
        ({"rope_scaling": {"type": "linear", "factor": 0}}, "factor"),
        ({"rope_scaling": {"type": "linear", "factor": -2.0}}, "factor"),
        ({"rope_scaling": {"type": "linear", "factor": "2"}}, "factor"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0, "attention_factor": 1.5}}, "attention_factor"),
        ({"rope_scaling": LLAMA3 | {"low_freq_factor": 4}}, "low_freq_factor"),
        ({"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 0}}, "low_freq_factor"),
        ({"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 0.5}}, "original_max_position_embeddings"),
        ({"rope_scaling": {**LLAMA3, "high_freq_factor": None}}, "high_freq_factor"),
        ({"rope_scaling": LLAMA3, "rope_parameters": LLAMA3}, "rope_scaling"),
        ({"rope_parameters": {"rope_theta": 5.0, "rope_type": "default"}}, "rope_theta"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 5.0}}}, "full_attention"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
        ({"rope_theta": 0}, "rope_theta"),
        ({"rope_theta": "1e4"}, "rope_theta"),
        ({"rope_theta": True}, "rope_theta"),
    ],
)
def test_other_rotary_scaling_is_refused_by_name(keys: dict[str, Any], name: str) -> None:
    error = refuse(**keys)
    assert error.code in ("unsupported", "hf_config")
    assert name in str(error)


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"])
@pytest.mark.parametrize("value", [0, -1, 1 << 62, int("9" * 60), 64.0, "64", True, [64]])
def test_dimensions_that_lie_are_refused(key: str, value: Any) -> None:
    assert refuse(**{key: value}).code in ("source_header", "hf_config")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'"llama"',
        b"{",
        b"\xff{}",
        b'{"hidden_size": 1, "hidden_size": 2}',
        b'{"rms_norm_eps": NaN}',
        b'{"rms_norm_eps": 1e999999999999999999999}',
        b'{"rms_norm_eps": ' + b"1" * 100_000 + b"}",
        b'{"a": ' + b"[" * 100_000,
        b"{" + b" " * (1 << 20) + b"}",
    ],
)
def test_what_is_no_object_of_json_is_refused(text: bytes) -> None:
    with pytest.raises(ConversionError) as caught:
        read_config(text, "config.json", "m")
    assert caught.value.code == "hf_config"


@pytest.mark.parametrize("number", ["1e999999999999999", "1e-999999999999999", "-1e-5", "0", "0.0", "1e400", "2"])
def test_numbers_out_of_range_are_refused_without_being_expanded(number: str) -> None:
    text = json.dumps(folder_config(float_model())).replace('"rms_norm_eps": 1e-05', f'"rms_norm_eps": {number}')
    with pytest.raises(ConversionError) as caught:
        read_config(text.encode(), "config.json", "m")
    assert caught.value.code in ("hf_config", "source_header")


def test_defaults_are_those_of_the_reference() -> None:
    transformers = peer("transformers")
    for name in ("Llama", "Mistral", "Qwen2", "Qwen3"):
        config = getattr(transformers, f"{name}Config")()
        assert config.rope_parameters == {"rope_type": "default", "rope_theta": 10_000}
        assert (config.tie_word_embeddings, config.hidden_act) == (False, "silu")
        assert getattr(config, "use_sliding_window", False) is False
        assert getattr(config, "max_window_layers", 28) == 28
    assert transformers.LlamaConfig(num_attention_heads=16).num_key_value_heads == 16
