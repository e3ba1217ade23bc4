"""GGUF files of random weights for the peer: every matrix Q8_0, or every one Q4_0; no vocabulary."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from web.bench.shapes import CONTEXT, NORM_EPS, ROPE_THETA, Shape

ALIGNMENT = 32
BLOCK = 32  # weights
F32, UINT32, FLOAT32, STRING = 0, 4, 6, 8
NOISE_BLOCKS = 1 << 18


@dataclass(frozen=True, slots=True)
class Format:
    """A type of tensor whose blocks are a float16 scale and bytes."""

    type: int
    block_bytes: int
    scale: float  # weights of random bytes then have a standard deviation of 0.02


FORMATS = {"Q8_0": Format(8, 34, 0.02 / 73.9), "Q4_0": Format(2, 18, 0.02 / 4.61)}


def tensors_of(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Rows and columns by name."""
    dim, kv = shape.dim, shape.kv_heads * shape.head_dim
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (shape.vocabulary, dim), "output_norm": (dim,)}
    if not shape.tied:
        shapes["output"] = (shape.vocabulary, dim)
    for layer in range(shape.layers):
        of_layer: dict[str, tuple[int, ...]] = {
            "attn_norm": (dim,), "ffn_norm": (dim,), "attn_q": (dim, dim), "attn_k": (kv, dim), "attn_v": (kv, dim),
            "attn_output": (dim, dim), "ffn_gate": (shape.ffn, dim), "ffn_up": (shape.ffn, dim),
            "ffn_down": (dim, shape.ffn),
        }  # fmt: skip
        shapes |= {f"blk.{layer}.{name}": size for name, size in of_layer.items()}
    return {f"{name}.weight": size for name, size in shapes.items()}


def write_gguf(path: Path, shape: Shape, format: str) -> None:
    """Widths must be multiples of 32."""
    chosen, tensors = FORMATS[format], tensors_of(shape)
    noise = np.random.default_rng(1).integers(0, 256, (NOISE_BLOCKS, chosen.block_bytes), dtype=np.uint8)
    noise[:, :2] = np.frombuffer(np.float16(chosen.scale).tobytes(), np.uint8)
    infos, offset = b"", 0
    for name, size in tensors.items():
        type = F32 if len(size) == 1 else chosen.type
        infos += _text(name) + struct.pack(f"<I{len(size)}QIQ", len(size), *reversed(size), type, offset)
        offset += -(-_bytes(size, chosen) // ALIGNMENT) * ALIGNMENT
    facts = _facts(shape)
    front = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts)) + b"".join(facts) + infos
    temporary = path.with_suffix(".partial")
    with open(temporary, "wb") as file:
        file.write(front + bytes(-len(front) % ALIGNMENT))
        for size in tensors.values():
            _write_tensor(file, size, chosen, noise.reshape(-1))
    temporary.replace(path)


def _write_tensor(file: BinaryIO, size: tuple[int, ...], chosen: Format, noise: np.ndarray) -> None:
    left = _bytes(size, chosen)
    padding = -left % ALIGNMENT
    if len(size) == 1:
        file.write(np.ones(size, np.float32).tobytes())
        left = 0
    while left:
        part = min(left, len(noise))
        file.write(noise[:part].data)
        left -= part
    file.write(bytes(padding))


def _bytes(size: tuple[int, ...], chosen: Format) -> int:
    return 4 * size[0] if len(size) == 1 else size[0] * size[1] // BLOCK * chosen.block_bytes


def _facts(shape: Shape) -> list[bytes]:
    numbers = {
        "block_count": shape.layers, "context_length": CONTEXT, "embedding_length": shape.dim,
        "feed_forward_length": shape.ffn, "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads, "rope.dimension_count": shape.head_dim,
        "vocab_size": shape.vocabulary,
    }  # fmt: skip
    floats = {"attention.layer_norm_rms_epsilon": NORM_EPS, "rope.freq_base": ROPE_THETA}
    texts = {"general.architecture": "llama", "general.name": shape.name, "tokenizer.ggml.model": "no_vocab"}
    return [
        *(_text(key) + struct.pack("<I", STRING) + _text(value) for key, value in texts.items()),
        *(_text(f"llama.{key}") + struct.pack("<II", UINT32, value) for key, value in numbers.items()),
        *(_text(f"llama.{key}") + struct.pack("<If", FLOAT32, value) for key, value in floats.items()),
        _text("general.quantization_version") + struct.pack("<II", UINT32, 2),
    ]


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()
