"""The float32 model that the integer engine is measured against. For tests only: floating point on purpose."""

import numpy as np
from numpy.typing import NDArray

from inference.convert.float_model import FloatModel

Floats = NDArray[np.float32]


def float_logits(model: FloatModel, ids: list[int], streams: list[Floats] | None = None) -> Floats:
    """Logits after each of the ids, (n, vocab). `streams` takes the residual stream before each norm, (n, dim)."""
    config = model.config
    streams = [] if streams is None else streams
    embedding = model.tensor("tok_embed")
    x = embedding[ids]
    rotation, mask = _rotation(model, len(ids)), _mask(config.window_tokens, len(ids))
    shared = config.n_heads // config.n_kv_heads
    for layer in range(config.n_layers):
        p = f"layers.{layer}."
        streams.append(x)
        h = _norm(x, model.tensor(p + "norm_attn"), model)
        q, k, v = (_project(h, p + name, model) for name in ("wq", "wk", "wv"))
        q, k, v = _heads(q, config.n_heads), _heads(k, config.n_kv_heads), _heads(v, config.n_kv_heads)
        if config.qk_norm:
            q, k = _norm(q, model.tensor(p + "norm_q"), model), _norm(k, model.tensor(p + "norm_k"), model)
        q, k = _rotate(q, rotation), _rotate(k, rotation)
        k, v = np.repeat(k, shared, axis=0), np.repeat(v, shared, axis=0)
        scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(config.head_dim)) + mask
        attended = (_softmax(scores) @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = x + attended @ model.tensor(p + "wo").T
        streams.append(x)
        h = _norm(x, model.tensor(p + "norm_ffn"), model)
        gate = h @ model.tensor(p + "w1").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ model.tensor(p + "w3").T)) @ model.tensor(p + "w2").T
    streams.append(x)
    head = model.tensor("head") if "head" in model.tensors else embedding
    return _norm(x, model.tensor("norm_final"), model) @ head.T


def nll(logits: NDArray[np.generic], ids: list[int]) -> float:
    """Sum of the negative log likelihood of ids[1:], given the logits after ids[:-1], in nats."""
    rows = logits.astype(np.float64)
    rows -= rows.max(axis=1, keepdims=True)
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    return -float(rows[np.arange(len(ids) - 1), ids[1:]].sum())


def _project(x: Floats, name: str, model: FloatModel) -> Floats:
    y = x @ model.tensor(name).T
    return y + model.tensor(name + ".bias") if model.config.qkv_bias else y


def _norm(x: Floats, gain: Floats, model: FloatModel) -> Floats:
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(model.config.norm_eps_q48 / (1 << 48))) * gain


def _heads(x: Floats, count: int) -> Floats:
    """(n, count * width) to (count, n, width)."""
    return x.reshape(len(x), count, -1).transpose(1, 0, 2)


def _mask(window: int, length: int) -> Floats:
    """0 where a row may look at a column, else minus infinity: no later one, and none before its window."""
    distance = np.arange(length)[:, None] - np.arange(length)
    seen = (distance >= 0) & (distance < (window or length))
    return np.where(seen, 0, -np.inf).astype(np.float32)


def _rotation(model: FloatModel, positions: int) -> NDArray[np.complex64]:
    radians = np.array([float(frequency) for frequency in model.rope_frequencies])
    return np.exp(1j * np.outer(np.arange(positions), radians)).astype(np.complex64)


def _rotate(x: Floats, rotation: NDArray[np.complex64]) -> Floats:
    """Turn the pairs (2i, 2i + 1) of (heads, n, width)."""
    return (np.ascontiguousarray(x).view(np.complex64) * rotation).view(np.float32)


def _softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
