"""The float matrices as the engine multiplies them: gains of norms folded in, every basis rotated where asked.

residual stream  x' = R x: tok_embed R^T, wq R^T ..., R wo, R w2, head R^T; RMSNorm without gain does not notice
values           each head v' = S v: S wv, wo S^T
input of w2      h' = H h at run time (Config.ffn_rotation): w2 H / 2^k
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from inference.convert.float_model import FloatModel
from inference.convert.rotation import Floats, hadamard, rotate, rotate_columns

CHUNK_VALUES = 1 << 17  # of a matrix in float64 at a time: 1 MiB, which stays in the cache


class Folded:
    """Matrices of a float model by the engine's names. `rotated`: the residual stream and the values are."""

    def __init__(self, model: FloatModel, rotated: bool, ffn_rotation: int) -> None:
        self.model, self.rotated, self.ffn_rotation = model, rotated, ffn_rotation

    def chunks(self, name: str) -> Iterator[Floats]:
        """The matrix `name`, float64, some rows at a time, a multiple of 16 but for the last."""
        layer, _, part = name.rpartition(".")
        weights: NDArray[np.floating] = self.model.tensor("tok_embed" if name == "head" and self.tied else name)
        if part in ("wo", "w2"):
            yield from self._towards_residual(weights, part)
            return
        if part == "wv" and self.rotated:
            weights = self.value_basis(weights.astype(np.float64).T).T
        gain = self._gain(layer, part)
        for chunk in _rows(weights):
            x = chunk.astype(np.float64)
            if gain is not None:
                x *= gain
            yield rotate(x) if self.rotated else x

    def value_basis(self, x: Floats) -> Floats:
        """Values of all heads along the last axis, each head in its own basis, if values are rotated."""
        if not self.rotated:
            return x
        width = self.model.config.head_dim
        return rotate(x.reshape(*x.shape[:-1], -1, width)).reshape(x.shape)

    @property
    def tied(self) -> bool:
        """Whether the source's output matrix is its embedding."""
        return "head" not in self.model.tensors

    def _gain(self, layer: str, part: str) -> Floats | None:
        norms = {"wq": "norm_attn", "wk": "norm_attn", "wv": "norm_attn", "w1": "norm_ffn", "w3": "norm_ffn"}
        if part == "head":
            return self.model.tensor("norm_final").astype(np.float64)
        return self.model.tensor(f"{layer}.{norms[part]}").astype(np.float64) if part in norms else None

    def _towards_residual(self, weights: np.ndarray, part: str) -> Iterator[Floats]:
        """Both sides change: the input's basis along the rows, the residual stream's across them."""
        x = weights.astype(np.float64)
        if part == "wo":
            for rows in _rows(x):
                rows[:] = self.value_basis(rows)
        elif self.ffn_rotation:
            for rows in _rows(x):
                rows[:] = hadamard(rows, 1 << self.ffn_rotation) / (1 << self.ffn_rotation)
        if self.rotated:
            step = max(1, CHUNK_VALUES // x.shape[0])
            for start in range(0, x.shape[1], step):
                x[:, start : start + step] = rotate_columns(x[:, start : start + step].copy())
        yield from _rows(x)


def _rows(x: np.ndarray) -> Iterator[np.ndarray]:
    step = max(16, CHUNK_VALUES // x.shape[1] // 16 * 16)
    for start in range(0, x.shape[0], step):
        yield x[start : start + step]
