"""What goes into each matrix of a model when it runs: for rounding that knows which errors cancel.

The 8-bit model writes its own text, sequence by sequence, and the inputs of its matrices are integers; so are the sums
of their products. Nothing here depends on a machine, nor on any text but the model's own.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

import native
from inference.config import ModelConfig
from inference.convert.rotation import Floats
from native.sampler import Sampler, Sampling

SEQUENCES = 64
TOKENS = 256  # of a sequence, at most
GRAM_BYTES = 1 << 30  # of products that are kept at one time
TEMPERATURE = 1_000_000
PLACES = {"wq": 0, "wk": 0, "wv": 0, "wo": 1, "w1": 2, "w3": 2, "w2": 3}

Key = tuple[int, int]  # layer and place


def own_text(model: native.Model, start: int) -> list[list[int]]:
    """Sequences that the model draws after the id `start`, with the numbers of the sequences as seeds."""
    length = min(TOKENS, model.config.context_tokens)
    sessions = [model.session(length) for _ in range(SEQUENCES)]
    samplers = [Sampler(Sampling(TEMPERATURE, seed=seed), model.config.vocab_size) for seed in range(SEQUENCES)]
    texts = [[start] for _ in sessions]
    for position in range(1, length):
        pieces = [native.Piece(session, text[-1:]) for session, text in zip(sessions, texts, strict=True)]
        for logits, text, sampler in zip(model.step(pieces), texts, samplers, strict=True):
            text.append(sampler.sample(logits, position))
    return texts


class Inputs:
    """Sums of products of the inputs of matrices over some sequences."""

    def __init__(self, model: native.Model, config: ModelConfig, texts: Sequence[Sequence[int]]) -> None:
        self._model, self._config, self._texts = model, config, texts
        self._grams: dict[Key, NDArray[np.int32]] = {}

    def gram(self, name: str) -> NDArray[np.int32]:
        """Inputs' products x_i x_j of the matrix `name`, summed: (columns, columns), exact.

        Matrices must come layer by layer: a few layers are kept at one time, and for the next ones the model runs
        again.
        """
        parts = name.split(".")
        key = (self._config.n_layers, 0) if len(parts) == 1 else (int(parts[1]), PLACES[parts[2]])
        if key not in self._grams:
            self._grams = {}
            self._collect(key)
        return self._grams[key]

    def _collect(self, first: Key) -> None:
        keys = list(self._keys_from(first))
        self._grams = {key: np.zeros((width, width), dtype=np.int32) for key, width in keys}
        for text in self._texts:
            captured = self._model.capture(text)
            for (layer, place), width in keys:
                x = captured[layer, place, :, :width].astype(np.float64)
                self._grams[layer, place] += (x.T @ x).astype(np.int32)  # sums of integers below 2**53 are exact

    def _keys_from(self, first: Key) -> Iterator[tuple[Key, int]]:
        """Matrices' inputs from `first` on whose products fit GRAM_BYTES, at least one layer, and their widths."""
        config, left = self._config, GRAM_BYTES
        if first[0] == config.n_layers:
            yield first, config.dim
            return
        widths = (config.dim, config.n_heads * config.head_dim, config.dim, config.ffn_dim)
        for layer in range(first[0], config.n_layers):
            left -= sum(4 * width * width for width in widths)
            if layer > first[0] and left < 0:
                return
            yield from (((layer, place), width) for place, width in enumerate(widths))


def damped(gram: NDArray[np.int32]) -> Floats:
    """Integers up to 2**26 in proportion to the products, with a hundredth of their mean added to the diagonal.

    They are smaller for very many columns, so that sums of their products with numbers of 14 bits stay below 2**53.
    """
    whole = gram.astype(np.float64)
    diagonal = np.diagonal(whole)
    whole[np.diag_indices_from(whole)] += max(1.0, np.rint(0.01 * float(diagonal.astype(np.int64).sum()) / len(gram)))
    top = min(26, 38 - len(gram).bit_length())
    return np.rint(whole * (2.0**top / whole.max()))
