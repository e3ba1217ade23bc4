"""Random models in the engine's own number formats, for tests of bits: no checkpoint, no floats."""

import numpy as np

from native import Config, stride_of

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


def random_model(seed: int, **dimensions: int) -> tuple[Config, dict[str, np.ndarray]]:
    """Configuration and tensors with weights over the whole range and activations of natural size."""
    draw = np.random.default_rng(seed)
    exponents: dict[str, int] = {}
    config = Config(**dimensions, norm_eps_q48=2814749767, exponents=exponents)
    tensors: dict[str, np.ndarray] = {}
    for name, (rows, columns) in config.shapes().items():
        weights = np.zeros((rows, stride_of(columns)), dtype=np.int8)
        weights[:, :columns] = draw.integers(-127, 128, (rows, columns), dtype=np.int8)
        tensors[name] = weights
        tensors[f"{name}.scale"] = draw.integers(1000, 65536, rows, dtype=np.uint16)
        exponents[name] = 23 + columns.bit_length() // 2
    tensors["rope_freq"] = draw.integers(0, 2**62, dimensions["head_dim"] // 2, dtype=np.uint64)
    return config, tensors
