"""Which integer tensors a model has, their number formats, and where each stands in the data section."""

from dataclasses import dataclass
from math import prod

from inference.config import ModelConfig

TENSOR_ALIGNMENT = 64  # a cache line, and the widest vector register
STRIDE_ALIGNMENT = 64  # columns of a stored matrix row; the columns past the real ones are zero

ITEM_BYTES = {"i8": 1, "u16": 2, "u64": 8}
DTYPES = {"i8": "<i1", "u16": "<u2", "u64": "<u8"}  # little endian whatever the machine


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One stored tensor. `columns` counts the real columns of a matrix; the stored row is `shape[1]` wide."""

    name: str
    type: str  # key of ITEM_BYTES
    shape: tuple[int, ...]
    offset: int  # bytes from the start of the data section, a multiple of TENSOR_ALIGNMENT
    columns: int | None = None  # None: not a matrix, nothing is padded

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


def tensor_specs(config: ModelConfig) -> list[TensorSpec]:
    """Every tensor of a model in file order: sorted by name as bytes, packed at the alignment, no gaps.

    This is the whole layout: a file whose directory says anything else is refused.
    """
    formats: dict[str, tuple[str, tuple[int, ...], int | None]] = {"rope_freq": ("u64", (config.head_dim // 2,), None)}
    for name, (rows, width) in matrix_shapes(config).items():
        formats[name] = ("i8", (rows, round_up(width, STRIDE_ALIGNMENT)), width)
        formats[f"{name}.scale"] = ("u16", (rows,), None)
    specs: list[TensorSpec] = []
    offset = 0
    for name in sorted(formats):
        kind, shape, columns = formats[name]
        specs.append(TensorSpec(name, kind, shape, offset, columns))
        offset = specs[-1].end
    return specs
