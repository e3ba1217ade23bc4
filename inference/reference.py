"""rail-int/2 as a slow, plain second engine: the oracle of the tests (SPEC.md section 5).

One token at a time, one head at a time, Python and NumPy integers only. Where the kernels differ from this in one
bit, the kernels are wrong.
"""

from collections.abc import Mapping, Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from inference.config import ModelConfig
from inference.fixedpoint import (
    Ints,
    Scale,
    cosine,
    exp2_fraction,
    multiply_q15,
    norm_scale,
    plain_scale,
    quantise,
    requantise_shift,
    round_shift,
    saturate,
    scale_ratio,
    sigmoid,
    sine,
)
from inference.layout import matrix_shapes
from inference.matrices import looked_up, rows_of

LOG2E_Q30 = 1_549_082_005


class ReferenceEngine:
    """The model over a growing sequence. `tensors` and `exponents` are those of a model file."""

    def __init__(
        self, config: ModelConfig, tensors: Mapping[str, NDArray[np.generic]], exponents: Mapping[str, int]
    ) -> None:
        self.config = config
        self.tensors = {name: np.asarray(t) for name, t in tensors.items()}
        self.exponents = exponents
        self.weights = {name: self._matrix(name, *shape) for name, shape in matrix_shapes(config).items()}
        caches = range(config.n_layers * config.n_kv_heads)
        self.keys: list[list[tuple[Ints, Scale]]] = [[] for _ in caches]  # a position: int8 values and their scale
        self.values: list[list[tuple[Ints, Scale]]] = [[] for _ in caches]
        self.position = 0

    def _matrix(self, name: str, rows: int, columns: int) -> Ints:
        stored = self.tensors[name]
        if stored.ndim == 3:
            stored = looked_up(stored, self.tensors[f"{name}.code"], self.tensors["codebooks"])
        return rows_of(stored, rows, columns).astype(np.int64)

    def forward(self, ids: Sequence[int]) -> NDArray[np.int32]:
        """Append tokens; int32 Q16 logits of each (n, vocab)."""
        return np.stack([self._token(token) for token in ids])

    def _token(self, token: int) -> NDArray[np.int32]:
        config = self.config
        x = self._embed(token)
        for layer in range(config.n_layers):
            prefix = f"layers.{layer}."
            q8, maximum = quantise(x)
            scale = norm_scale(x, maximum, config.norm_eps_q48)
            heads = [self._linear(prefix + name, q8, scale) for name in ("wq", "wk", "wv")]
            q8, maximum = quantise(self._attention(layer, *heads))
            x = saturate(x + self._linear(prefix + "wo", q8, plain_scale(maximum)))
            q8, maximum = quantise(x)
            scale = norm_scale(x, maximum, config.norm_eps_q48)
            gate, up = self._linear(prefix + "w1", q8, scale), self._linear(prefix + "w3", q8, scale)
            silu = round_shift(gate * sigmoid(gate), 15)
            hidden, drop = self._rotate_hidden(saturate(round_shift(silu * up, 16)))
            q8, maximum = quantise(hidden)
            scale = plain_scale(maximum)
            x = saturate(x + self._linear(prefix + "w2", q8, Scale(scale.mantissa, scale.exponent - drop)))
        q8, maximum = quantise(x)
        self.position += 1
        return self._linear("head", q8, norm_scale(x, maximum, config.norm_eps_q48)).astype(np.int32)

    def _embed(self, token: int) -> Ints:
        product = self.weights["tok_embed"][token] * int(self.tensors["tok_embed.scale"][token])
        return saturate(round_shift(product, self.exponents["tok_embed"] - 16))

    def _linear(self, name: str, x: Ints, scale: Scale) -> Ints:
        """W x in Q16 for int8 x of the given scale, plus the bias where there is one."""
        multipliers = self.tensors[name + ".scale"].astype(np.int64) * scale.mantissa
        shift = requantise_shift(self.exponents[name] + scale.exponent - 16)
        out = saturate(round_shift(self.weights[name] @ x * multipliers, shift))
        bias = self.tensors.get(name + ".bias")
        return out if bias is None else saturate(out + bias)

    def _rotate_hidden(self, x: Ints) -> tuple[Ints, int]:
        """Walsh-Hadamard transform of blocks of the input of w2, and the bits dropped before it."""
        log2 = self.config.ffn_rotation
        if log2 == 0:
            return x, 0
        drop = max(0, int(np.abs(x).max()).bit_length() + log2 - 30)
        blocks = round_shift(x, drop).reshape(-1, 1 << log2)
        signs = np.array([[1 - 2 * ((i & j).bit_count() & 1) for j in range(1 << log2)] for i in range(1 << log2)])
        return (blocks @ signs).reshape(-1), drop

    def _rotate(self, head: Ints) -> Ints:
        out = np.empty_like(head)
        for i, turns in enumerate(self.tensors["rope_freq"].tolist()):
            c, s = cosine(turns * self.position), sine(turns * self.position)
            a, b = head[2 * i], head[2 * i + 1]
            out[2 * i], out[2 * i + 1] = a * c - b * s, a * s + b * c
        return saturate(round_shift(out, 30))

    def _head(self, layer: int, head: Ints, norm: str) -> tuple[Ints, Scale]:
        """A query or key head after its norm, if it has one, and its rotation, quantised."""
        if not self.config.qk_norm:
            q8, maximum = quantise(self._rotate(head))
            return q8, plain_scale(maximum)
        gained = saturate(round_shift(head * self.tensors[norm][layer].astype(np.int64), 16))
        q8, maximum = quantise(self._rotate(gained))
        return q8, norm_scale(head, maximum, self.config.norm_eps_q48)

    def _attention(self, layer: int, q: Ints, k: Ints, v: Ints) -> Ints:
        """Output of all heads in Q16, after this token's keys and values joined the cache."""
        config = self.config
        for kv_head in range(config.n_kv_heads):
            part = slice(kv_head * config.head_dim, (kv_head + 1) * config.head_dim)
            cache = layer * config.n_kv_heads + kv_head
            self.keys[cache].append(self._head(layer, k[part], "norm_k"))
            v8, maximum = quantise(v[part])
            self.values[cache].append((v8, plain_scale(maximum)))
        group = config.n_heads // config.n_kv_heads
        outputs = []
        for i, head in enumerate(q.reshape(config.n_heads, config.head_dim)):
            query, scale = self._head(layer, head, "norm_q")
            outputs.append(self._attend(layer * config.n_kv_heads + i // group, query, scale))
        return np.concatenate(outputs)

    def _attend(self, cache: int, query: Ints, scale: Scale) -> Ints:
        window = self.config.window_tokens or self.position + 1
        keys, values = self.keys[cache][-window:], self.values[cache][-window:]
        factor = (LOG2E_Q30 << 16) // isqrt(self.config.head_dim << 32)
        base2 = scale_ratio(scale.mantissa * factor, 1)
        exponent = base2.exponent + scale.exponent + 30
        scores = []
        for key, key_scale in keys:
            shift = requantise_shift(exponent + key_scale.exponent - 16)
            score = int(round_shift(np.array(query @ key) * (base2.mantissa * key_scale.mantissa), shift))
            scores.append(min(max(score, 1 - (1 << 30)), (1 << 30) - 1))
        below = max(scores) - np.array(scores, dtype=np.int64)
        shares, whole = exp2_fraction((below & 65535) >> 1), below >> 16
        total = int((shares << 9 >> np.minimum(whole, 25)).sum())
        mantissas = np.array([s.mantissa for _, s in values], dtype=np.int64)
        exponents = np.array([s.exponent if s.mantissa else 64 for _, s in values], dtype=np.int64)
        peak = int((-exponents - whole).max())
        shifts = peak + exponents + whole + 1
        shifts = np.minimum(shifts, 17)
        weights = multiply_q15(shares, mantissas) + (1 << (shifts - 1)) >> shifts
        sums = weights @ np.stack([value for value, _ in values])
        ratio = scale_ratio(1, total)
        return saturate(round_shift(sums * ratio.mantissa, requantise_shift(ratio.exponent - 41 - peak)))
