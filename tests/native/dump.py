"""A model, a sequence and its logits as a file for harness.c."""

import struct
from pathlib import Path

import numpy as np

from native import Config

DIMS = ("dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "ffn_dim", "vocab_size", "context_tokens",
        "window_tokens", "ffn_rotation")  # fmt: skip


def dump(path: Path, config: Config, tensors: dict[str, np.ndarray], ids: list[int], logits: np.ndarray) -> None:
    """Write what harness.c reads: 64-bit numbers and raw arrays, in the order of native.h."""
    parts = [struct.pack("<10iq", *(getattr(config, name) for name in DIMS), config.norm_eps_q48)]

    def numbers(*values: int) -> None:
        parts.append(struct.pack(f"<{len(values)}q", *values))

    def array(name: str) -> None:
        if name in tensors:
            parts.append(tensors[name].tobytes())

    for name, (rows, columns, bits) in config.shapes().items():
        numbers(rows, columns, -(-columns // 8) * 8, config.exponents[name], bits, int(f"{name}.bias" in tensors))
        for suffix in ("", ".code", ".scale", ".bias"):
            array(name + suffix)
    array("rope_freq")
    for name in ("codebooks", "norm_q", "norm_k"):
        numbers(int(name in tensors))
        array(name)
    numbers(len(ids))
    parts += [np.array(ids, dtype="<i4").tobytes(), logits.astype("<i4").tobytes()]
    path.write_bytes(b"".join(parts))
