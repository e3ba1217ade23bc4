"""The shapes of model that are compared, and how many times faster than the peer each is meant to be."""

from collections.abc import Mapping
from dataclasses import dataclass

VOCABULARY = 32000
CONTEXT = 1024
NORM_EPS = 1e-5
ROPE_THETA = 10000.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A LLaMA."""

    name: str
    dim: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    tied: bool  # the original's output matrix is its embedding, so the peer's file has no other
    wanted: Mapping[str, float]  # by kind of work, at least; nothing is promised for what is missing
    vocabulary: int = VOCABULARY

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def products(self) -> int:
        """Multiplications of a token with the matrices."""
        attention = 2 * self.dim * self.dim + 2 * self.dim * self.head_dim * self.kv_heads
        return self.layers * (attention + 3 * self.dim * self.ffn) + self.vocabulary * self.dim


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("tiny", 64, 2, 4, 2, 128, True, {}, 4096),
        Shape("15M", 288, 6, 6, 6, 768, True, {"prefill/8": 2, "prefill/4": 2, "decode": 3}),
        Shape("110M", 768, 12, 12, 12, 2048, True, {"prefill/8": 2, "prefill/4": 2, "decode": 1.3}),
        Shape(
            "1.1B", 2048, 22, 32, 4, 5632, False,
            {"prefill/8": 5, "prefill/4": 3, "decode": 1.5, "replay": 10, "int_mm": 0.6},
        ),
    )
}  # fmt: skip
