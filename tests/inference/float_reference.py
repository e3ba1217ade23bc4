"""The float32 model that the integer engine is measured against. For tests only: floating point on purpose."""

import numpy as np
from numpy.typing import NDArray

from inference.convert.float_model import FloatModel

Floats = NDArray[np.float32]


def float_logits(model: FloatModel, ids: list[int]) -> Floats:
    """Logits after each of the ids, (n, vocab)."""
    config, t = model.config, model.tensors
    x = t["tok_embed"][ids]
    rotation = _rotation(model, len(ids))
    causal = np.triu(np.full((len(ids), len(ids)), -np.inf, np.float32), 1)
    for layer in range(config.n_layers):
        p = f"layers.{layer}."
        h = _norm(x, t[p + "norm_attn"], model)
        q = _rotate(_heads(h @ t[p + "wq"].T, config.n_heads), rotation)
        k = _rotate(_heads(h @ t[p + "wk"].T, config.n_kv_heads), rotation)
        v = _heads(h @ t[p + "wv"].T, config.n_kv_heads)
        shared = config.n_heads // config.n_kv_heads
        k, v = np.repeat(k, shared, axis=0), np.repeat(v, shared, axis=0)
        scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(config.head_dim)) + causal
        attended = (_softmax(scores) @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = x + attended @ t[p + "wo"].T
        h = _norm(x, t[p + "norm_ffn"], model)
        gate = h @ t[p + "w1"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ t[p + "w3"].T)) @ t[p + "w2"].T
    return _norm(x, t["norm_final"], model) @ t.get("head", t["tok_embed"]).T


def nll(logits: NDArray[np.generic], ids: list[int]) -> float:
    """Sum of the negative log likelihood of ids[1:], given the logits after ids[:-1], in nats."""
    rows = logits.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    return -float(rows[np.arange(len(ids) - 1), ids[1:]].sum())


def _norm(x: Floats, gain: Floats, model: FloatModel) -> Floats:
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(model.config.norm_eps_q48 / (1 << 48))) * gain


def _heads(x: Floats, count: int) -> Floats:
    """(n, count * width) to (count, n, width)."""
    return x.reshape(len(x), count, -1).transpose(1, 0, 2)


def _rotation(model: FloatModel, positions: int) -> NDArray[np.complex64]:
    width = model.config.head_dim
    turns = float(model.rope_theta) ** (-np.arange(0, width, 2) / width)
    return np.exp(1j * np.outer(np.arange(positions), turns)).astype(np.complex64)


def _rotate(x: Floats, rotation: NDArray[np.complex64]) -> Floats:
    """Turn the pairs (2i, 2i + 1) of (heads, n, width)."""
    return (np.ascontiguousarray(x).view(np.complex64) * rotation).view(np.float32)


def _softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
