"""A float model's matrices as integers, handed to the writer one after another."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from inference.config import ModelConfig
from inference.convert import four_bits
from inference.convert.calibration import Inputs, damped
from inference.convert.folding import Folded
from inference.convert.quantise import eight_bits, exponent_for, in_steps, integer_scales, q16, rope_turns
from inference.convert.rotation import Floats
from inference.convert.second_order import round_rows
from inference.layout import matrix_shapes, weight_bits
from inference.matrices import blocked, halved
from inference.modelwriter import ModelWriter
from native import blocked_shape

Advance = Callable[[int], None]


KEPT_VALUES = 1 << 26
"""A matrix of so many is kept in float64, 512 MiB, while it is converted; a larger one is made twice."""


class _Chunks:
    """The rows of a matrix, a few at a time, as often as they are wanted."""

    def __init__(self, folded: Folded, name: str, values: int) -> None:
        self._folded, self._name = folded, name
        self._kept = list(folded.chunks(name)) if values <= KEPT_VALUES else None

    def __iter__(self) -> Iterator[Floats]:
        return self._folded.chunks(self._name) if self._kept is None else iter(self._kept)


def by_layer(item: tuple[str, object]) -> tuple[int, str]:
    """Sort key: layer after layer, then what belongs to none."""
    parts = item[0].split(".")
    return (int(parts[1]), parts[2]) if len(parts) > 1 else (1 << 20, parts[0])


class IntegerWriter:
    """Writes every tensor of `folded` but `finish`; `advance` hears of the weights that are done."""

    def __init__(
        self,
        writer: ModelWriter,
        folded: Folded,
        config: ModelConfig,
        inputs: Inputs | None = None,
        advance: Advance = lambda weights: None,
    ) -> None:
        """`inputs`: what rounding to 4 bits should know (None: each weight takes its nearest level)."""
        self._writer, self._folded, self._config = writer, folded, config
        self._inputs, self._advance = inputs, advance
        self.exponents: dict[str, int] = {}

    def write(self) -> None:
        config = self._config
        for name, (rows, columns) in sorted(matrix_shapes(config).items(), key=by_layer):
            chunks = _Chunks(self._folded, name, rows * columns)
            if weight_bits(config, name) == 8:
                self._eight_bits(name, chunks, columns)
            else:
                self._four_bits(name, chunks, columns)
            self._advance(rows * columns)
        if 4 in (config.layer_bits, config.head_bits):
            self._writer.write("codebooks", four_bits.codebooks())
        self._small_tensors()

    def _eight_bits(self, name: str, chunks: Iterable[Floats], columns: int) -> None:
        peaks = np.concatenate([np.abs(chunk).max(axis=1) for chunk in chunks]) / 127
        exponent = self.exponents[name] = exponent_for(name, float(peaks.max()))
        scales = integer_scales(peaks, exponent)
        self._writer.write(f"{name}.scale", scales)
        depth, first = 4 * blocked_shape(1, columns, 8)[1], 0
        for part in eight_bits(chunks, scales, exponent):
            stored = blocked(part, depth)
            self._writer.write(name, stored, first)
            first += len(stored)

    def _four_bits(self, name: str, chunks: Iterable[Floats], columns: int) -> None:
        squares = np.concatenate([(chunk**2).mean(axis=1) for chunk in chunks])
        sizes = np.sqrt(squares) / four_bits.ROW_RMS
        exponent = self.exponents[name] = exponent_for(name, float(sizes.max()))
        scales = integer_scales(sizes, exponent)
        self._writer.write(f"{name}.scale", scales)
        gram = None if self._inputs is None else damped(self._inputs.gram(name))
        done = 0
        for chunk in chunks:
            steps = in_steps(chunk, scales[done : done + len(chunk)], exponent)
            weights = four_bits.comparable(steps)
            codes = four_bits.choose_codes(weights)
            if gram is None:
                indexes = four_bits.nearest(weights, codes)
            else:
                indexes = four_bits.grouped(round_rows(four_bits.whole(steps), codes, gram))
            four_bits.empty_padding(indexes, codes, len(chunk), columns)
            self._writer.write(name, halved(indexes), done // 16)
            self._writer.write(f"{name}.code", codes, done // 16)
            done += len(chunk)

    def _small_tensors(self) -> None:
        model, config = self._folded.model, self._config
        self._writer.write("rope_freq", rope_turns(model.rope_frequencies))
        for layer in range(config.n_layers if config.qkv_bias else 0):
            for part in ("wq", "wk", "wv"):
                name = f"layers.{layer}.{part}.bias"
                bias = model.tensor(name).astype(np.float64)
                self._writer.write(name, q16(self._folded.value_basis(bias) if part == "wv" else bias))
        for name in ("norm_q", "norm_k") if config.qk_norm else ():
            gains = [model.tensor(f"layers.{layer}.{name}").astype(np.float64) for layer in range(config.n_layers)]
            self._writer.write(name, q16(np.stack(gains)))
