"""A small frozen model made of integers alone: the tests' stand-in for a real one, the same on every machine.

No dimension is a multiple of 64, the attention is narrower than the model, and keys are shared between heads.
"""

import hashlib
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.config import ModelConfig
from inference.layout import tensor_specs
from inference.matrices import blocked
from inference.modelwriter import ModelWriter
from inference.vocabulary import Vocabulary
from tests.inference.small_vocabulary import SIZE, sentencepiece_vocabulary

CONFIG = ModelConfig(
    dim=40,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    head_dim=8,
    ffn_dim=56,
    vocab_size=SIZE,
    context_tokens=160,
    norm_eps_q48=2_814_749_767,
    name="tiny",
    family="llama",
)
PROVENANCE = {"converter": "tests", "options": {"frozen": True}, "sources": {}}
# Frozen: another root means that the format, the vocabulary's encoding or this generator changed.
ROOT = bytes.fromhex("edc791af0643f13dd8a2a096db4da7a796c5b57b1c566f95a638da77e9e58215")


@dataclass(frozen=True, slots=True)
class TinyModel:
    config: ModelConfig
    tensors: dict[str, NDArray[np.generic]]
    exponents: dict[str, int]


def tiny_model(config: ModelConfig = CONFIG) -> TinyModel:
    tensors: dict[str, NDArray[np.generic]] = {}
    exponents: dict[str, int] = {}
    for spec in tensor_specs(config):
        noise = np.frombuffer(hashlib.shake_256(spec.name.encode()).digest(prod(spec.shape)), np.uint8)
        if spec.matrix is not None:
            rows, columns = spec.matrix
            weights = np.maximum(noise.view(np.int8)[: rows * columns].reshape(rows, columns), -127)
            tensors[spec.name] = blocked(weights, 4 * spec.shape[1])
            exponents[spec.name] = 22 if spec.name == "head" else 24  # a head that has favourites
        elif spec.type == "u16":
            tensors[spec.name] = noise.reshape(spec.shape).astype(np.uint16) + 32_768
        else:
            tensors[spec.name] = np.array([(1 << 64) // (7 * 10**pair) for pair in range(spec.shape[0])], np.uint64)
    return TinyModel(config, tensors, exponents)


def write_model(
    path: Path, model: TinyModel, vocabulary: Vocabulary, chat_template: str | None, provenance: dict[str, Any]
) -> bytes:
    """Write a whole model and return its root."""
    with ModelWriter(path, model.config, vocabulary, chat_template, provenance) as writer:
        for name, tensor in model.tensors.items():
            writer.write(name, tensor)
        return writer.finish(model.exponents)


def write_tiny(path: Path) -> bytes:
    """Write the model and return its root."""
    return write_model(path, tiny_model(), sentencepiece_vocabulary(), None, PROVENANCE)
