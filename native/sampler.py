"""The sampler behind cffi (inference/SPEC.md section 6): parameters, the history of a sequence, one draw at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from native import KernelError, kernels_index
from native._native import ffi, lib

MICRO = 1_000_000
VOCAB_MAX = 1 << 20
BIAS_MICRO_MAX = 100 * MICRO
BIASES_MAX = 300
RANGES: dict[str, tuple[int, int]] = {
    "temperature_micro": (0, 100 * MICRO),
    "top_k": (0, 1 << 20),
    "top_p_micro": (1, MICRO),
    "min_p_micro": (0, MICRO),
    "repetition_micro": (MICRO // 100, 10 * MICRO),
    "frequency_micro": (-2 * MICRO, 2 * MICRO),
    "presence_micro": (-2 * MICRO, 2 * MICRO),
    "seed": (0, (1 << 64) - 1),
}
"""Inclusive; the C side has proved its bounds for these."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the tokens of a sequence are drawn. Raises KernelError for a value out of its range."""

    temperature_micro: int = 0
    top_k: int = 0
    top_p_micro: int = MICRO
    min_p_micro: int = 0
    repetition_micro: int = MICRO
    frequency_micro: int = 0
    presence_micro: int = 0
    seed: int = 0
    logit_bias: tuple[tuple[int, int], ...] = ()  # (token id, millionths added to its logit), ids rising

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise KernelError(f"{name} must be {low} to {high}, got {getattr(self, name)}")
        ids = [id for id, _ in self.logit_bias]
        if len(ids) > BIASES_MAX or sorted(set(ids)) != ids:
            raise KernelError(f"logit_bias must have at most {BIASES_MAX} ids, rising")
        if any(abs(bias) > BIAS_MICRO_MAX for _, bias in self.logit_bias):
            raise KernelError(f"logit_bias must be within {BIAS_MICRO_MAX} millionths of 0")

    @property
    def penalises(self) -> bool:
        """Whether the tokens so far have an effect."""
        return (self.repetition_micro, self.frequency_micro, self.presence_micro) != (MICRO, 0, 0)


class Sampler:
    """Draws the tokens of one sequence. Not for two threads at once; several samplers may run side by side.

    Memory: some 10 bytes a vocabulary entry, 8 more where a penalty is on.
    """

    def __init__(self, sampling: Sampling, vocab: int, kernels: str | None = None) -> None:
        """`kernels` as for `native.Model`. Raises KernelError."""
        if not 1 <= vocab <= VOCAB_MAX:
            raise KernelError(f"a vocabulary must have 1 to {VOCAB_MAX} tokens, got {vocab}")
        self.sampling, self.vocab = sampling, vocab
        self._kernels = kernels_index(kernels)
        self._scratch = np.empty(lib.rail_sample_scratch(vocab) // 8, dtype=np.uint64)
        self._seen = ffi.new("rail_seen *")
        self._params = ffi.new("rail_sampling *")
        for field in fields(sampling):
            if field.name != "logit_bias":
                setattr(self._params, field.name, getattr(sampling, field.name))
        ids = _ids([id for id, _ in sampling.logit_bias], vocab)
        micro = np.array([bias for _, bias in sampling.logit_bias], dtype=np.int32)
        self._params.bias_count = len(ids)
        self._params.bias_ids, self._params.bias_micro = _pointer(ids), _pointer(micro)
        self._owned = [ids, micro]
        if sampling.penalises:
            uses, distinct = np.zeros(vocab, dtype=np.int32), np.empty(vocab, dtype=np.int32)
            self._seen.uses, self._seen.ids = _pointer(uses), _pointer(distinct)
            self._owned += [uses, distinct]

    def see(self, ids: Sequence[int], output: bool) -> None:
        """Note the next tokens of the sequence: of its output, or else of its prompt."""
        checked = _ids(ids, self.vocab)
        if self.sampling.penalises and checked.size:
            lib.rail_seen_add(self._seen, _pointer(checked), checked.size, output)

    def sample(self, logits: np.ndarray, position: int) -> int:
        """The token at `position` of the whole sequence, from int32 Q16 logits (vocab,). Notes nothing.

        The logits are as before when it returns, but no other thread may read them meanwhile.
        """
        row = self._row(logits)
        return lib.rail_sample(
            self._kernels, self._params, self._seen, ffi.from_buffer("int32_t[]", row), self.vocab, position,
            ffi.from_buffer(self._scratch),
        )  # fmt: skip

    def weights(self, logits: np.ndarray) -> np.ndarray:
        """The weights uint32 (vocab,) by which that token is drawn; 0 for tokens that cannot be."""
        row, weights = self._row(logits), np.empty(self.vocab, dtype=np.uint32)
        lib.rail_weights(
            self._kernels, self._params, self._seen, ffi.from_buffer("int32_t[]", row), self.vocab,
            ffi.from_buffer(self._scratch), ffi.from_buffer("uint32_t[]", weights),
        )  # fmt: skip
        return weights

    def _row(self, logits: np.ndarray) -> np.ndarray:
        if logits.dtype != np.int32 or logits.shape != (self.vocab,):
            raise KernelError(f"logits: want int32 ({self.vocab},), got {logits.dtype} {logits.shape}")
        return np.require(logits, requirements=["C", "W"])


def random_u64(seed: int, counter: int) -> int:
    """First 64 bits of the Philox 4x32-10 block at `counter`."""
    return lib.rail_random(seed, counter)


def _ids(ids: Sequence[int], vocab: int) -> np.ndarray:
    array = np.asarray(ids, dtype=np.int64)
    if array.size and not 0 <= array.min() <= array.max() < vocab:
        raise KernelError(f"token ids must be 0 to {vocab - 1}")
    return array.astype(np.int32)


def _pointer(array: np.ndarray) -> object:
    return ffi.cast("int32_t *", array.ctypes.data)
