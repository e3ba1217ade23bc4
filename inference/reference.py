"""rail-int/1 as a slow, plain second engine: the oracle of the tests (SPEC.md section 5).

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
    exp2_neg,
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

LOG2E_Q30 = 1_549_082_005


class ReferenceEngine:
    """The model over a growing sequence. `tensors` and `exponents` are those of a model file."""

    def __init__(
        self, config: ModelConfig, tensors: Mapping[str, NDArray[np.generic]], exponents: Mapping[str, int]
    ) -> None:
        self.config = config
        self.tensors = {name: np.asarray(t) for name, t in tensors.items()}
        self.exponents = exponents
        caches = range(config.n_layers * config.n_kv_heads)
        self.keys: list[list[tuple[Ints, Scale]]] = [[] for _ in caches]  # a position: int8 values and their scale
        self.values: list[list[tuple[Ints, int]]] = [[] for _ in caches]  # int8 values and their Q16 maximum
        self.position = 0

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
            silu = round_shift(gate * sigmoid(gate), 30)
            q8, maximum = quantise(saturate(round_shift(silu * up, 16)))
            x = saturate(x + self._linear(prefix + "w2", q8, plain_scale(maximum)))
        q8, maximum = quantise(x)
        self.position += 1
        return self._linear("head", q8, norm_scale(x, maximum, config.norm_eps_q48)).astype(np.int32)

    def _embed(self, token: int) -> Ints:
        row = self.tensors["tok_embed"][token, : self.config.dim].astype(np.int64)
        product = row * int(self.tensors["tok_embed.scale"][token])
        return saturate(round_shift(product, self.exponents["tok_embed"] - 16))

    def _linear(self, name: str, x: Ints, scale: Scale) -> Ints:
        """W x in Q16 for int8 x of the given scale."""
        sums = self.tensors[name][:, : len(x)].astype(np.int64) @ x
        multipliers = self.tensors[name + ".scale"].astype(np.int64) * scale.mantissa
        return saturate(round_shift(sums * multipliers, requantise_shift(self.exponents[name] + scale.exponent - 16)))

    def _rotate(self, head: Ints) -> Ints:
        out = np.empty_like(head)
        for i, turns in enumerate(self.tensors["rope_freq"].tolist()):
            c, s = cosine(turns * self.position), sine(turns * self.position)
            a, b = head[2 * i], head[2 * i + 1]
            out[2 * i], out[2 * i + 1] = a * c - b * s, a * s + b * c
        return saturate(round_shift(out, 30))

    def _attention(self, layer: int, q: Ints, k: Ints, v: Ints) -> Ints:
        """Output of all heads in Q16, after this token's keys and values joined the cache."""
        config = self.config
        for kv_head in range(config.n_kv_heads):
            part = slice(kv_head * config.head_dim, (kv_head + 1) * config.head_dim)
            key, key_max = quantise(self._rotate(k[part]))
            cache = layer * config.n_kv_heads + kv_head
            self.keys[cache].append((key, plain_scale(key_max)))
            self.values[cache].append(quantise(v[part]))
        group = config.n_heads // config.n_kv_heads
        heads = q.reshape(config.n_heads, config.head_dim)
        return np.concatenate(
            [self._attend(layer * config.n_kv_heads + i // group, self._rotate(head)) for i, head in enumerate(heads)]
        )

    def _attend(self, cache: int, head: Ints) -> Ints:
        query, query_max = quantise(head)
        root_head_dim_q16 = isqrt(self.config.head_dim << 32)
        ratio = scale_ratio(query_max * ((LOG2E_Q30 << 16) // root_head_dim_q16), 127)
        scores = []
        for key, scale in self.keys[cache]:
            shift = requantise_shift(ratio.exponent + 46 + scale.exponent - 16)
            scores.append(round_shift(np.array(query @ key) * (ratio.mantissa * scale.mantissa), shift))
        bounded = saturate(np.array(scores, dtype=np.int64))
        shares = exp2_neg(bounded.max() - bounded)
        products = shares * np.array([maximum for _, maximum in self.values[cache]], dtype=np.int64)
        drop = max(0, int(products.max()).bit_length() - 15)
        weights = np.minimum(round_shift(products, drop), 32767)
        sums = weights @ np.stack([value for value, _ in self.values[cache]])
        scale = scale_ratio(1 << drop, 127 * int(shares.sum()))
        return saturate(round_shift(sums * scale.mantissa, requantise_shift(scale.exponent)))
