"""Random models in the engine's own number formats, for tests of bits: no checkpoint, no floats."""

from dataclasses import replace
from typing import Any

import numpy as np

from inference.matrices import blocked
from inference.reference import ReferenceEngine
from native import Config, blocked_shape

SMALL = {
    "dim": 40,
    "n_layers": 2,
    "n_heads": 4,
    "n_kv_heads": 2,
    "head_dim": 10,
    "ffn_dim": 88,
    "vocab_size": 72,
    "context_tokens": 200,
}
"""No dimension is a multiple of a vector width."""

LONG = {**SMALL, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "context_tokens": 700}
"""Room for a sequence past every block of tokens and positions that the step has."""

WIDE = {
    "dim": 1024,
    "n_layers": 1,
    "n_heads": 8,
    "n_kv_heads": 4,
    "head_dim": 128,
    "ffn_dim": 704,
    "vocab_size": 100,
    "context_tokens": 32,
}
"""Large enough that even one token runs on every thread."""

PLAIN: dict[str, Any] = {
    "window_tokens": 0,
    "ffn_rotation": 0,
    "qkv_bias": False,
    "qk_norm": False,
    "layer_bits": 8,
    "head_bits": 8,
}

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": SMALL,
    "mistral": {**SMALL, "window_tokens": 37, "n_heads": 6, "ffn_rotation": 2},
    "qwen2": {**SMALL, "qkv_bias": True, "n_kv_heads": 1, "layer_bits": 4, "head_bits": 8},
    "qwen3": {**SMALL, "qk_norm": True, "n_kv_heads": 4, "ffn_rotation": 3, "layer_bits": 8, "head_bits": 4},
    "packed": {**SMALL, "dim": 172, "head_dim": 34, "ffn_dim": 352, "ffn_rotation": 5, "layer_bits": 4, "head_bits": 4},
    "long": {**LONG, "ffn_rotation": 3},
    "long window": {**LONG, "window_tokens": 300, "qk_norm": True, "layer_bits": 4},
}
"""Every branch of the step: bias, head norms, window, rotation, both forms of weights, all ways to share keys."""


def random_model(seed: int, **dimensions: Any) -> tuple[Config, dict[str, np.ndarray]]:
    """Configuration and tensors with weights over the whole range and activations of natural size."""
    draw = np.random.default_rng(seed)
    exponents: dict[str, int] = {}
    config = Config(**{**PLAIN, **dimensions}, norm_eps_q48=2814749767, exponents=exponents)
    tensors: dict[str, np.ndarray] = {}
    for name, (rows, columns, bits) in config.shapes().items():
        shape = blocked_shape(rows, columns, bits)
        if bits == 8:
            tensors[name] = blocked(draw.integers(-127, 128, (rows, columns), dtype=np.int8), 4 * shape[1])
        else:
            tensors[name] = draw.integers(0, 256, shape, dtype=np.uint8)
            tensors[f"{name}.code"] = draw.integers(0, 256, (shape[0], 2 * shape[1]), dtype=np.uint8)
        tensors[f"{name}.scale"] = draw.integers(1000, 65536, rows, dtype=np.uint16)
        exponents[name] = 23 + columns.bit_length() // 2
        if config.qkv_bias and name.endswith((".wq", ".wk", ".wv")):
            tensors[f"{name}.bias"] = draw.integers(-(2**17), 2**17, rows, dtype=np.int32)
    if 4 in (config.layer_bits, config.head_bits):
        tensors["codebooks"] = draw.integers(1, 256, (256, 16), dtype=np.uint8)
    if config.qk_norm:
        shape = (config.n_layers, config.head_dim)
        tensors["norm_q"], tensors["norm_k"] = draw.integers(-(2**17), 2**17, (2, *shape), dtype=np.int32)
    tensors["rope_freq"] = draw.integers(0, 2**62, config.head_dim // 2, dtype=np.uint64)
    return config, tensors


def reference(config: Config, tensors: dict[str, np.ndarray]) -> ReferenceEngine:
    return ReferenceEngine(config, tensors, config.exponents)


def resized(config: Config, **dimensions: Any) -> Config:
    """The same model but for dimensions that no weight depends on."""
    return replace(config, **dimensions)
