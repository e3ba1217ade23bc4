"""llama.cpp's Q4_0 of a float model: what its weights become, in float32."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.convert.float_model import FloatModel
from inference.layout import matrix_shapes

BLOCK = 32
BLOCK_BYTES = 18  # a float16 scale and 32 halves of bytes

Floats = NDArray[np.float32]


def quantised(model: FloatModel) -> FloatModel:
    """The model with every matrix that multiplies in Q4_0. The embedding stays as it is, and so do the activations."""
    names = [name for name in matrix_shapes(model.config) if name != "tok_embed"]
    tensors = {name: model.tensors[name] for name in model.tensors}
    for name in names:
        tensors[name] = dequantised(model.tensor(name if name in tensors else "tok_embed"))
    return replace(model, tensors=tensors)


def bits_a_weight(model: FloatModel) -> float:
    shapes = [shape for name, shape in matrix_shapes(model.config).items() if name != "tok_embed"]
    blocks = sum(rows * -(-columns // BLOCK) for rows, columns in shapes)
    return 8 * BLOCK_BYTES * blocks / sum(rows * columns for rows, columns in shapes)


def dequantised(weights: Floats) -> Floats:
    """Rows in blocks of 32, by `quantize_row_q4_0_ref`: the weight of largest magnitude becomes -8, the others
    `floor(x / d + 8.5)`, at most 15; d is kept as float16. llama.cpp refuses rows that end in a part of a block; here
    that is filled up with zeros.
    """
    rows, columns = weights.shape
    blocks = np.pad(weights, ((0, 0), (0, -columns % BLOCK))).reshape(rows, -1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2, keepdims=True), axis=2)
    scale = largest / np.float32(-8)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    levels = np.minimum(15, np.trunc(blocks * inverse + np.float32(8.5)))
    return ((levels - 8) * scale.astype(np.float16).astype(np.float32)).reshape(rows, -1)[:, :columns]
