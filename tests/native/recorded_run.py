"""A model and a run of it, drawn by the reference engine and the reference sampler, as a file for harness.c."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.reference_sampler import Draw, distribution, pick
from native import Config
from tests.native.random_model import random_model, reference

DIMS = ("dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "ffn_dim", "vocab_size", "context_tokens",
        "window_tokens", "ffn_rotation")  # fmt: skip
DRAW = Draw(
    temperature_micro=900_000,
    top_k=40,
    top_p_micro=950_000,
    min_p_micro=2_000,
    repetition_micro=1_050_000,
    frequency_micro=10_000,
    presence_micro=20_000,
    seed=11,
)


@dataclass(frozen=True, slots=True)
class RecordedRun:
    config: Config
    tensors: dict[str, np.ndarray]
    prompt_tokens: int
    ids: list[int]
    logits: np.ndarray  # int32 (ids, vocab)

    def dump(self, path: Path) -> None:
        """Write what harness.c reads: 64-bit numbers and raw arrays, in the order of native.h."""
        config = self.config
        parts = [struct.pack("<10iq", *(getattr(config, name) for name in DIMS), config.norm_eps_q48)]

        def numbers(*values: int) -> None:
            parts.append(struct.pack(f"<{len(values)}q", *values))

        def array(name: str) -> None:
            if name in self.tensors:
                parts.append(self.tensors[name].tobytes())

        for name, (rows, columns, bits) in config.shapes().items():
            biased = int(f"{name}.bias" in self.tensors)
            numbers(rows, columns, -(-columns // 8) * 8, config.exponents[name], bits, biased)
            for suffix in ("", ".code", ".scale", ".bias"):
                array(name + suffix)
        array("rope_freq")
        for name in ("codebooks", "norm_q", "norm_k"):
            numbers(int(name in self.tensors))
            array(name)
        numbers(DRAW.temperature_micro, DRAW.top_p_micro, DRAW.min_p_micro, DRAW.repetition_micro, DRAW.frequency_micro,
                DRAW.presence_micro, DRAW.seed, DRAW.top_k, self.prompt_tokens, len(self.ids))  # fmt: skip
        parts += [np.array(self.ids, dtype="<i4").tobytes(), self.logits.astype("<i4").tobytes()]
        path.write_bytes(b"".join(parts))


def record(tokens: int, prompt_tokens: int, seed: int, **dimensions: int | bool) -> RecordedRun:
    """A run of a random model: a random prompt, then drawn ids."""
    config, tensors = random_model(seed, **dimensions)
    config.exponents["head"] -= 2  # a head that has favourites, so that every cut of the sampler matters
    prompt = np.random.default_rng(seed).integers(0, config.vocab_size, prompt_tokens).tolist()
    engine = reference(config, tensors)
    rows, output = list(engine.forward(prompt)), []
    while len(prompt) + len(output) < tokens:
        weights = distribution(rows[-1].tolist(), DRAW, prompt, output)
        output.append(pick(weights, DRAW.seed, len(prompt) + len(output)))
        rows.extend(engine.forward(output[-1:]))
    return RecordedRun(config, tensors, prompt_tokens, prompt + output, np.stack(rows))
