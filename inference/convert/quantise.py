"""Float weights to the integers of rail-int/1 (SPEC.md section 4).

Only element-wise IEEE operations, maxima and decimal arithmetic are used: the result is the same on every machine.
"""

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import frexp

import numpy as np
from numpy.typing import NDArray

from inference.config import ModelConfig
from inference.convert.float_model import FloatModel
from inference.directory import EXPONENT_MAX, EXPONENT_MIN
from inference.errors import ConversionError
from inference.layout import STRIDE_ALIGNMENT, round_up

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803")


@dataclass(frozen=True, slots=True)
class QuantisedModel:
    """What a model file stores: `NAME` int8 (rows, stride), `NAME.scale` uint16 (rows), `rope_freq` uint64."""

    config: ModelConfig
    tensors: dict[str, NDArray[np.generic]]
    exponents: dict[str, int]  # of each matrix: weight = q * scale[row] * 2**-exponent


def quantise_model(source: FloatModel) -> QuantisedModel:
    """Every matrix to int8 with one scale a row; gains of norms go into the matrices that follow them."""
    tensors: dict[str, NDArray[np.generic]] = {}
    exponents: dict[str, int] = {}
    for name, matrix, gain in _matrices(source):
        tensors[name], tensors[f"{name}.scale"], exponents[name] = quantise_matrix(name, matrix, gain)
    tensors["rope_freq"] = rope_turns(source.rope_theta, source.config.head_dim)
    return QuantisedModel(source.config, tensors, exponents)


Matrix = NDArray[np.float32]


def _matrices(source: FloatModel) -> list[tuple[str, Matrix, Matrix | None]]:
    """Name, weights and the gain of the norm before each matrix."""
    t = source.tensors
    found: list[tuple[str, Matrix, Matrix | None]] = [("tok_embed", t["tok_embed"], None)]
    for i in range(source.config.n_layers):
        gains = dict.fromkeys(("wq", "wk", "wv"), t[f"layers.{i}.norm_attn"])
        gains |= dict.fromkeys(("w1", "w3"), t[f"layers.{i}.norm_ffn"])
        for name in ("wq", "wk", "wv", "wo", "w1", "w3", "w2"):
            found.append((f"layers.{i}.{name}", t[f"layers.{i}.{name}"], gains.get(name)))
    found.append(("head", t.get("head", t["tok_embed"]), t["norm_final"]))
    return found


def quantise_matrix(
    name: str, weights: Matrix, gain: Matrix | None
) -> tuple[NDArray[np.int8], NDArray[np.uint16], int]:
    """int8 (rows, stride) with zero padding, uint16 scales (rows), exponent. Ties of a half go to the even integer."""
    w = weights.astype(np.float64)
    if gain is not None:
        w *= gain.astype(np.float64)
    rows, columns = w.shape
    peaks = np.abs(w).max(axis=1)
    exponent = EXPONENT_MAX
    if peaks.max() > 0:
        exponent = min(EXPONENT_MAX, 15 - (frexp(peaks.max() / 127)[1] - 1))
    if exponent < EXPONENT_MIN:
        raise ConversionError(
            "weight_range", f"{name}: weight {peaks.max():.3g} is not below the format's limit of 127"
        )
    scales = np.clip(np.rint(peaks / 127 * 2.0**exponent), 0, 65535)
    scales[(scales == 0) & (peaks > 0)] = 1
    steps = np.where(scales > 0, scales, 1) * 2.0**-exponent
    out = np.zeros((rows, round_up(columns, STRIDE_ALIGNMENT)), dtype=np.int8)
    out[:, :columns] = np.clip(np.rint(w / steps[:, None]), -127, 127)
    return out, scales.astype(np.uint16), exponent


def rope_turns(theta: Fraction, head_dim: int) -> NDArray[np.uint64]:
    """theta**(-2i/head_dim) / (2 pi) turns a position for each pair i, as 64-bit fractions of a turn, rounded down."""
    with localcontext(Context(prec=80)):
        base = (Decimal(theta.numerator) / Decimal(theta.denominator)).ln()
        turns = [(-base * 2 * i / head_dim).exp() / (2 * PI) for i in range(head_dim // 2)]
        return np.array([int(t * 2**64) % 2**64 for t in turns], dtype=np.uint64)
