"""A second reading of the exported `.bin`: plain NumPy, written from the format and not from the torch model.

It uses the rotation tables that stand in the file, so a wrong table shows as a wrong loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
HEADER_INTS = 7
RMS_EPS = 1e-5


@dataclass(frozen=True, slots=True)
class Exported:
    """Tensors of one file; those of the layers carry the layer as first axis."""

    n_heads: int
    n_kv_heads: int
    tensors: dict[str, Array]


def read_llama2c(path: Path) -> Exported:
    raw = path.read_bytes()
    header = np.frombuffer(raw, "<i4", HEADER_INTS)
    dim, hidden, layers, n_heads, n_kv_heads, vocab, seq_len = (int(field) for field in header)
    if vocab <= 0:
        raise ValueError(f"{path}: vocab_size {vocab} is not positive, but the embedding is shared")
    kv_dim, pairs = dim // n_heads * n_kv_heads, dim // n_heads // 2
    shapes = {
        "tok_emb": (vocab, dim),
        "rms_att": (layers, dim),
        "wq": (layers, dim, dim),
        "wk": (layers, kv_dim, dim),
        "wv": (layers, kv_dim, dim),
        "wo": (layers, dim, dim),
        "rms_ffn": (layers, dim),
        "w1": (layers, hidden, dim),
        "w2": (layers, dim, hidden),
        "w3": (layers, hidden, dim),
        "rms_final": (dim,),
        "cos": (seq_len, pairs),
        "sin": (seq_len, pairs),
    }
    values = np.frombuffer(raw, "<f4", offset=4 * HEADER_INTS).astype(np.float64)
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    if ends[-1] != values.size:
        raise ValueError(f"{path}: header asks for {ends[-1]} numbers, file has {values.size}")
    parts = np.split(values, ends[:-1])
    tensors = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
    return Exported(n_heads, n_kv_heads, tensors)


def rms_norm(x: Array, weight: Array) -> Array:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + RMS_EPS) * weight


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    """x (seq, heads, head_dim): pair (2i, 2i + 1) as a complex number times e^(i angle)."""
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * (cos + 1j * sin)[:, None, :]
    return np.stack((turned.real, turned.imag), -1).reshape(x.shape)


def attention(q: Array, k: Array, v: Array) -> Array:
    """Causal attention; q (seq, heads, head_dim), k and v (seq, kv heads, head_dim)."""
    seq, n_heads, head_dim = q.shape
    share = n_heads // k.shape[1]
    out = np.empty_like(q)
    later = np.triu(np.ones((seq, seq), bool), 1)
    for head in range(n_heads):
        scores = q[:, head] @ k[:, head // share].T / np.sqrt(head_dim)
        scores[later] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        out[:, head] = weights / weights.sum(-1, keepdims=True) @ v[:, head // share]
    return out.reshape(seq, -1)


def logits(model: Exported, ids: list[int]) -> Array:
    """(seq, vocab) float64."""
    t, seq = model.tensors, len(ids)
    cos, sin = t["cos"][:seq], t["sin"][:seq]
    x = t["tok_emb"][ids]
    for layer in range(len(t["wq"])):
        h = rms_norm(x, t["rms_att"][layer])
        q = rotate((h @ t["wq"][layer].T).reshape(seq, model.n_heads, -1), cos, sin)
        k = rotate((h @ t["wk"][layer].T).reshape(seq, model.n_kv_heads, -1), cos, sin)
        v = (h @ t["wv"][layer].T).reshape(seq, model.n_kv_heads, -1)
        x = x + attention(q, k, v) @ t["wo"][layer].T
        h = rms_norm(x, t["rms_ffn"][layer])
        gate = h @ t["w1"][layer].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ t["w3"][layer].T)) @ t["w2"][layer].T
    return rms_norm(x, t["rms_final"]) @ t["tok_emb"].T


def nats_per_token(model: Exported, rows: list[list[int]]) -> float:
    """Mean loss of each row's ids after the first."""
    total, tokens = 0.0, 0
    for row in rows:
        scores = logits(model, row[:-1])
        top = scores.max(-1)
        log_sum = top + np.log(np.exp(scores - top[:, None]).sum(-1))
        total += float((log_sum - scores[np.arange(len(row) - 1), row[1:]]).sum())
        tokens += len(row) - 1
    return total / tokens
