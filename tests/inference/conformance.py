"""Conformance vectors: small whole models that use every part of rail-int/2, and what they must give.

`python -m tests.inference.conformance` writes tests/vectors/inference/conformance/ anew, with the reference alone.
Somebody else's engine reads the `.rail` files and compares: after each id of prompt and output, the SHA-256 over all
logits as little-endian int32, and the ids that are drawn.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from inference.config import ModelConfig
from inference.modelfile import ModelFile
from inference.modelwriter import ModelWriter
from inference.reference import ReferenceEngine
from inference.reference_sampler import Draw, distribution, pick
from tests.inference.small_vocabulary import sentencepiece_vocabulary
from tests.inference.tiny_model import CONFIG, PROVENANCE
from tests.native.random_model import random_model

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "inference" / "conformance"
COMMON = {"n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "head_dim": 10, "dim": 40, "ffn_dim": 88, "context_tokens": 128,
          "vocab_size": CONFIG.vocab_size}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "plain": COMMON,
    "four-bits": {**COMMON, "layer_bits": 4, "head_bits": 4},
    "every-part": {**COMMON, "layer_bits": 4, "window_tokens": 21, "ffn_rotation": 3, "qkv_bias": True, "qk_norm": True,
                   "head_dim": 16, "n_kv_heads": 1},
}  # fmt: skip
RUNS: list[tuple[list[int], Draw, int]] = [  # prompt, how to draw, and how many ids
    ([1], Draw(), 40),
    ([1, *range(40, 70)], Draw(temperature_micro=900_000, top_p_micro=900_000, seed=5), 40),
    ([5], Draw(1_500_000, top_k=20, min_p_micro=10_000, repetition_micro=1_300_000, frequency_micro=200_000,
               presence_micro=-100_000, seed=2**63 - 1, logit_bias={7: -100_000_000, 9: 2_500_000}), 30),
]  # fmt: skip


def write_model(name: str, path: Path) -> None:
    """The random model of that name."""
    config, tensors = random_model(len(name), **MODELS[name])
    stored = ModelConfig(
        **{**MODELS[name], "norm_eps_q48": config.norm_eps_q48, "name": f"conformance-{name}", "family": "llama"}
    )
    with ModelWriter(path, stored, sentencepiece_vocabulary(), None, PROVENANCE) as writer:
        for tensor, values in canonical(stored, tensors).items():
            writer.write(tensor, values)
        writer.finish(config.exponents)


def canonical(config: ModelConfig, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same tensors with nothing in the padding of 4-bit matrices, where random_model leaves noise."""
    from inference.convert.four_bits import empty_padding
    from inference.layout import matrix_shapes
    from inference.matrices import halved

    found = dict(tensors)
    for name, (rows, columns) in matrix_shapes(config).items():
        if found[name].ndim == 3:
            halves, codes = found[name], found[f"{name}.code"].copy()
            indexes = np.stack([halves & 15, halves >> 4], axis=2).reshape(len(halves), -1, 64)
            empty_padding(indexes, codes, rows, columns)
            found[name], found[f"{name}.code"] = halved(indexes), codes
    return found


def steps_of(model: ModelFile, prompt: list[int], draw: Draw, tokens: int) -> Iterator[tuple[str, int]]:
    """After each id of prompt and output: digest of the logits by the reference, and the next id, drawn or given."""
    engine = ReferenceEngine(model.config, model.tensors, model.exponents)
    sequence = list(prompt)
    for position in range(len(prompt) + tokens):
        logits = engine.forward([sequence[position]])[0]
        if position + 1 == len(sequence) < len(prompt) + tokens:
            weights = distribution(logits.tolist(), draw, prompt, sequence[len(prompt) :])
            sequence.append(pick(weights, draw.seed, len(sequence)))
        yield digest(logits), sequence[-1]


def digest(logits: np.ndarray) -> str:
    return hashlib.sha256(logits.astype("<i4").tobytes()).hexdigest()


def vector(model: ModelFile, prompt: list[int], draw: Draw, tokens: int) -> dict[str, Any]:
    steps = list(steps_of(model, prompt, draw, tokens))
    given = asdict(draw) | {"logit_bias": [list(pair) for pair in draw.logit_bias.items()]}
    output = [next_id for _, next_id in steps[len(prompt) - 1 : -1]]
    return {"prompt_ids": prompt, "draw": given, "output_ids": output, "logits_sha256": [found for found, _ in steps]}


def write_all(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        write_model(name, folder / f"{name}.rail")
        with ModelFile.open(folder / f"{name}.rail", use_cache=False) as model:
            vectors = {"model_root": model.root.hex(), "runs": [vector(model, *run) for run in RUNS]}
        (folder / f"{name}.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    write_all(FOLDER)
