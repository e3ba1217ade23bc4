"""The shape of a model, with every bound that the engine's integer arithmetic relies on."""

import re
from dataclasses import dataclass, fields

from inference.errors import ModelFileError

ENGINE = "rail-int/2"  # the numerics, SPEC.md as a whole

# Inclusive ranges of the integer fields. A matrix has at most 65,536 columns, so that an int32 accumulator
# holds 127 * 127 * 65536 = 1.06e9; the other bounds keep sizes in range before any memory is taken.
RANGES: dict[str, tuple[int, int]] = {
    "dim": (2, 32_768),
    "n_layers": (1, 512),
    "n_heads": (1, 1_024),
    "n_kv_heads": (1, 1_024),
    "head_dim": (2, 256),
    "ffn_dim": (1, 65_536),
    "vocab_size": (2, 1 << 20),
    "context_tokens": (1, 1 << 20),
    "norm_eps_q48": (1, 1 << 40),
    "window_tokens": (0, 1 << 20),
    "ffn_rotation": (0, 10),
}
ATTENTION_WIDTH_MAX = 65_536
WEIGHT_BITS = (4, 8)
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Checked dimensions; an instance always satisfies the rules of SPEC.md, "Model file", "Configuration".

    Raises ModelFileError (`config_invalid`) for a value that does not.
    """

    dim: int  # width of the residual stream
    n_layers: int
    n_heads: int  # query heads
    n_kv_heads: int  # key and value heads; divides n_heads
    head_dim: int  # even: rotary pairs are (2i, 2i + 1)
    ffn_dim: int
    vocab_size: int
    context_tokens: int  # longest sequence, prompt and output together
    norm_eps_q48: int  # epsilon of RMSNorm, in units of 2**-48
    name: str  # for people: letters, digits and . _ -, at most 64
    family: str
    window_tokens: int = 0  # a token attends to so many last ones, itself included; 0: to all
    qkv_bias: bool = False  # wq, wk and wv have a bias
    qk_norm: bool = False  # RMSNorm over each query and key head before the rotation
    ffn_rotation: int = 0  # the input of w2 is rotated in blocks of 2**ffn_rotation; 0: not at all
    layer_bits: int = 8  # stored bits of a weight, 4 or 8: matrices of the layers
    head_bits: int = 8  # and the output matrix; the embedding always has 8

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in RANGES:
                low, high = RANGES[field.name]
                if type(value) is not int or not low <= value <= high:
                    raise _invalid(field.name, value, f"an integer from {low} to {high}")
            elif field.name in ("qkv_bias", "qk_norm"):
                if type(value) is not bool:
                    raise _invalid(field.name, value, "true or false")
            elif field.name in ("layer_bits", "head_bits"):
                if type(value) is not int or value not in WEIGHT_BITS:
                    raise _invalid(field.name, value, "4 or 8")
            elif type(value) is not str:
                raise _invalid(field.name, value, "a text")
        if _NAME.fullmatch(self.name) is None:
            raise _invalid("name", self.name, "1 to 64 ASCII letters, digits, dots, hyphens or underscores")
        if self.family not in FAMILIES:
            raise _invalid("family", self.family, f"one of {', '.join(FAMILIES)}")
        if self.head_dim % 2:
            raise _invalid("head_dim", self.head_dim, "even")
        if self.n_heads % self.n_kv_heads:
            raise _invalid("n_kv_heads", self.n_kv_heads, f"a divisor of n_heads = {self.n_heads}")
        if self.n_heads * self.head_dim > ATTENTION_WIDTH_MAX:
            raise _invalid("n_heads", self.n_heads, f"at most {ATTENTION_WIDTH_MAX} / head_dim")
        if self.ffn_dim % (1 << self.ffn_rotation):
            raise _invalid("ffn_rotation", self.ffn_rotation, f"the log2 of a divisor of ffn_dim = {self.ffn_dim}")


def _invalid(field: str, value: object, rule: str) -> ModelFileError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:80] + "..."
    return ModelFileError("config_invalid", f"model configuration: {field} is {shown}, must be {rule}")
