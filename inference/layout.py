"""Which integer tensors a model has, their number formats, and where each stands in the data section."""

from dataclasses import dataclass
from math import prod

from inference.config import ModelConfig
from native import blocked_shape

TENSOR_ALIGNMENT = 64  # a cache line, and the widest vector register

ITEM_BYTES = {"u8": 1, "u16": 2, "i32": 4, "u64": 8}
DTYPES = {"u8": "<u1", "u16": "<u2", "i32": "<i4", "u64": "<u8"}  # little endian whatever the machine


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One stored tensor."""

    name: str
    type: str  # key of ITEM_BYTES
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the data section, a multiple of TENSOR_ALIGNMENT
    matrix: tuple[int, int] | None = None  # rows and columns of a matrix in blocks; None: another tensor

    @property
    def size_bytes(self) -> int:
        return ITEM_BYTES[self.type] * prod(self.shape)

    @property
    def end(self) -> int:
        """First byte after the tensor's zero padding: the next tensor's offset, or the end of the file."""
        return round_up(self.offset + self.size_bytes, TENSOR_ALIGNMENT)


def round_up(value: int, multiple: int) -> int:
    return value + -value % multiple


def matrix_shapes(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """Rows and real columns of each weight matrix; each also has `NAME.scale` and an exponent."""
    dim, ffn = config.dim, config.ffn_dim
    queries, keys = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    shapes = {"tok_embed": (config.vocab_size, dim), "head": (config.vocab_size, dim)}
    for layer in range(config.n_layers):
        shapes |= {
            f"layers.{layer}.wq": (queries, dim),
            f"layers.{layer}.wk": (keys, dim),
            f"layers.{layer}.wv": (keys, dim),
            f"layers.{layer}.wo": (dim, queries),
            f"layers.{layer}.w1": (ffn, dim),
            f"layers.{layer}.w3": (ffn, dim),
            f"layers.{layer}.w2": (dim, ffn),
        }
    return shapes


def weight_bits(config: ModelConfig, name: str) -> int:
    """Stored bits of a weight of the matrix `name`."""
    if name == "tok_embed":
        return 8
    return config.head_bits if name == "head" else config.layer_bits


def tensor_specs(config: ModelConfig) -> list[TensorSpec]:
    """Every tensor of a model in file order: sorted by name as bytes, packed at the alignment, no gaps.

    This is the whole layout: a file whose directory says anything else is refused.
    """
    formats: dict[str, tuple[str, tuple[int, ...], tuple[int, int] | None]] = {}
    for name, (rows, columns) in matrix_shapes(config).items():
        bits = weight_bits(config, name)
        shape = blocked_shape(rows, columns, bits)
        formats[name] = ("u8", shape, (rows, columns))
        formats[f"{name}.scale"] = ("u16", (rows,), None)
        if bits == 4:
            formats[f"{name}.code"] = ("u8", (shape[0], 2 * shape[1]), None)
        if config.qkv_bias and name.endswith((".wq", ".wk", ".wv")):
            formats[f"{name}.bias"] = ("i32", (rows,), None)
    if 4 in (config.layer_bits, config.head_bits):
        formats["codebooks"] = ("u8", (256, 16), None)
    if config.qk_norm:
        formats["norm_q"] = formats["norm_k"] = ("i32", (config.n_layers, config.head_dim), None)
    formats["rope_freq"] = ("u64", (config.head_dim // 2,), None)
    specs: list[TensorSpec] = []
    offset = 0
    for name in sorted(formats):
        kind, shape, matrix = formats[name]
        specs.append(TensorSpec(name, kind, shape, offset, matrix))
        offset = specs[-1].end
    return specs
