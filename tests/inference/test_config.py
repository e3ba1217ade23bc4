"""Every bound of the configuration, from both sides."""

from dataclasses import replace

import pytest
from tiny_model import CONFIG

from inference.config import RANGES
from inference.errors import ModelFileError


@pytest.mark.parametrize("field", RANGES)
@pytest.mark.parametrize("value", [-1, 1 << 63, 1 << 200, True, "1", None])
def test_values_outside_the_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ModelFileError) as caught:
        replace(CONFIG, **{field: value})
    assert caught.value.code == "config_invalid"
    assert field in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"head_dim": 7},
        {"n_kv_heads": 3},
        {"n_heads": 1024, "n_kv_heads": 1, "head_dim": 128},
        {"ffn_rotation": 4},
        {"layer_bits": 5},
        {"layer_bits": 8.0},
        {"head_bits": True},
        {"qkv_bias": 1},
        {"qk_norm": None},
        {"name": ""},
        {"name": "a/b"},
        {"name": "n" * 65},
        {"name": ".hidden"},
        {"name": "x\n"},
        {"family": "gpt2"},
    ],
)
def test_combinations_that_break_a_rule_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ModelFileError, match="model configuration"):
        replace(CONFIG, **changes)
