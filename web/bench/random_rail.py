"""`.rail` files of random weights: as fast as any other of their shape, with nothing to say."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from inference.config import ModelConfig
from inference.convert import four_bits
from inference.convert.options import ConvertOptions, ffn_rotation
from inference.layout import matrix_shapes, tensor_specs, weight_bits
from inference.modelfile import ModelFile
from inference.models import default_model_path
from inference.modelwriter import ModelWriter
from web.bench.shapes import CONTEXT, NORM_EPS, ROPE_THETA, Shape

NOISE_BYTES = 1 << 24
EXPONENT = 27
SCALE_8 = 36772  # of a row: weights of uniform bytes then have a standard deviation of 0.02
SCALE_4 = 60000  # much the same


def config_of(shape: Shape, bits: int) -> ModelConfig:
    return ModelConfig(
        dim=shape.dim,
        n_layers=shape.layers,
        n_heads=shape.heads,
        n_kv_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        ffn_dim=shape.ffn,
        vocab_size=shape.vocabulary,
        context_tokens=CONTEXT,
        norm_eps_q48=round(NORM_EPS * (1 << 48)),
        name=f"random-{shape.name}",
        family="llama",
        ffn_rotation=ffn_rotation(ConvertOptions(), shape.ffn),
        layer_bits=bits,
        head_bits=bits,
    )


def write_rail(path: Path, shape: Shape, bits: int) -> None:
    """Widths must be multiples of 16: there is no padding. The vocabulary is the shipped model's, as far as it goes."""
    config = config_of(shape, bits)
    with ModelFile.open(default_model_path(), verify=False) as shipped:
        vocabulary = shipped.vocabulary
    random = np.random.default_rng(1)
    bytes_any = random.integers(0, 256, NOISE_BYTES, dtype=np.uint8)
    bytes_8 = np.maximum(bytes_any, 1)
    provenance = {"converter": "rail-bench", "options": {"random": True}, "sources": {}}
    with ModelWriter(path, config, vocabulary, None, provenance) as writer:
        for spec in tensor_specs(config):
            if spec.type == "u8" and spec.name != "codebooks":
                plain = spec.matrix is not None and weight_bits(config, spec.name) == 8
                for first, part in _parts(spec.shape, bytes_8 if plain else bytes_any):
                    writer.write(spec.name, part, first)
            elif spec.type == "u16":
                bits_of = weight_bits(config, spec.name.removesuffix(".scale"))
                writer.write(spec.name, np.full(spec.shape, SCALE_8 if bits_of == 8 else SCALE_4, np.uint16))
        if bits == 4:
            writer.write("codebooks", four_bits.codebooks())
        turns = ROPE_THETA ** (-np.arange(shape.head_dim // 2) * 2 / shape.head_dim) / (2 * np.pi)
        writer.write("rope_freq", (turns * 2.0**64).astype(np.uint64))
        writer.finish(dict.fromkeys(matrix_shapes(config), EXPONENT))


def _parts(shape: tuple[int, ...], noise: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """A tensor of the noise over and over, some items of the first axis at a time."""
    item = prod(shape[1:])
    step = max(1, len(noise) // item)
    for first in range(0, shape[0], step):
        count = min(step, shape[0] - first)
        yield first, noise[: count * item].reshape(count, *shape[1:])
