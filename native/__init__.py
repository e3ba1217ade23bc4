"""Integer kernels and the transformer step (inference/SPEC.md), behind cffi.

This is the only Python file that touches C pointers. Arguments are checked here, once: the C side trusts its caller.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from native._native import ffi, lib

STRIDE_MULTIPLE = 64
"""Rows of weight matrices are padded with zeros to a multiple of this many bytes."""

THREADS_MAX = 64
LAYER_MATRICES = ("wq", "wk", "wv", "wo", "w1", "w3", "w2")


class KernelError(Exception):
    """Unknown or unsupported kernel set, or arguments that the kernels cannot take."""


@dataclass(frozen=True, slots=True)
class Config:
    """Dimensions of a model as the kernels need them; bounds are those of inference/SPEC.md section 1."""

    dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    ffn_dim: int
    vocab_size: int
    context_tokens: int
    norm_eps_q48: int
    exponents: Mapping[str, int]

    def shapes(self) -> dict[str, tuple[int, int]]:
        """(rows, columns) of every matrix, in the order the C side takes them."""
        q, kv = self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim
        layer = {"wq": (q, self.dim), "wk": (kv, self.dim), "wv": (kv, self.dim), "wo": (self.dim, q),
                 "w1": (self.ffn_dim, self.dim), "w3": (self.ffn_dim, self.dim),
                 "w2": (self.dim, self.ffn_dim)}  # fmt: skip
        shapes = {"tok_embed": (self.vocab_size, self.dim)}
        for i in range(self.n_layers):
            shapes |= {f"layers.{i}.{name}": layer[name] for name in LAYER_MATRICES}
        return shapes | {"head": (self.vocab_size, self.dim)}


def stride_of(columns: int) -> int:
    """Bytes from one row of a weight matrix to the next."""
    return -(-columns // STRIDE_MULTIPLE) * STRIDE_MULTIPLE


def _all_kernels() -> list[str]:
    return [ffi.string(lib.rail_kernels_name(i)).decode() for i in range(lib.rail_kernels_count())]


def backends() -> tuple[str, ...]:
    """Kernel sets that this CPU runs, fastest last. All give the same bits."""
    return tuple(name for i, name in enumerate(_all_kernels()) if lib.rail_kernels_usable(i))


def kernels_index(name: str | None = None) -> int:
    """Index of a kernel set; None means `RAIL_KERNELS`, or the fastest. Raises KernelError, never falls back."""
    name = name or os.environ.get("RAIL_KERNELS") or backends()[-1]
    if name not in backends():
        known = "unknown" if name not in _all_kernels() else "not supported by this CPU"
        raise KernelError(f"kernel set {name!r} is {known}; usable here: {', '.join(backends())}")
    return _all_kernels().index(name)


def _array(array: np.ndarray, dtype: type, shape: tuple[int, ...], name: str) -> np.ndarray:
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise KernelError(f"{name}: want contiguous {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}")
    return array


def _pointer(array: np.ndarray, ctype: str) -> object:
    return ffi.cast(ctype, array.ctypes.data)


class Model:
    """Weights, kernels and a thread pool. Keeps the arrays alive and does not copy them."""

    def __init__(
        self, config: Config, tensors: Mapping[str, np.ndarray], kernels: str | None = None, threads: int = 1
    ) -> None:
        """`tensors`: for each name of `config.shapes()` int8 (rows, stride) and `NAME.scale` uint16 (rows), and
        `rope_freq` uint64 (head_dim / 2). Raises KernelError for wrong shapes, an unknown kernel set, or no memory.
        """
        if not 1 <= threads <= THREADS_MAX:
            raise KernelError(f"threads must be 1 to {THREADS_MAX}, got {threads}")
        index = kernels_index(kernels)
        self.config, self.threads, self.kernels = config, threads, _all_kernels()[index]
        self._tensors = dict(tensors)
        turns = _array(tensors["rope_freq"], np.uint64, (config.head_dim // 2,), "rope_freq")
        matrices = ffi.new("rail_matrix[]", len(config.shapes()))
        for entry, (name, (rows, columns)) in zip(matrices, config.shapes().items(), strict=True):
            weights = _array(tensors[name], np.int8, (rows, stride_of(columns)), name)
            scales = _array(tensors[f"{name}.scale"], np.uint16, (rows,), f"{name}.scale")
            entry.weights, entry.scales = _pointer(weights, "int8_t *"), _pointer(scales, "uint16_t *")
            entry.rows, entry.cols, entry.stride = rows, columns, stride_of(columns)
            entry.exponent = config.exponents[name]
        dims = ffi.new("rail_dims *")
        for field in ("dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "ffn_dim", "vocab_size", "norm_eps_q48"):
            setattr(dims, field, getattr(config, field))
        self._handle = lib.rail_model_new(dims, matrices, _pointer(turns, "uint64_t *"), index, threads)
        if not self._handle:
            raise KernelError("not enough memory or threads for the model")
        self._handle = ffi.gc(self._handle, lib.rail_model_free)

    def session(self, context_tokens: int | None = None) -> "Session":
        """A fresh KV cache for up to `context_tokens` (default: the model's context)."""
        return Session(self, context_tokens or self.config.context_tokens)


class Session:
    """One sequence: its KV cache and position. Not for two threads at once; sessions of one model may interleave."""

    def __init__(self, model: Model, context_tokens: int) -> None:
        if not 1 <= context_tokens <= model.config.context_tokens:
            raise KernelError(f"context must be 1 to {model.config.context_tokens} tokens, got {context_tokens}")
        self.model, self.context_tokens = model, context_tokens
        handle = lib.rail_session_new(model._handle, context_tokens)
        if not handle:
            raise KernelError(f"not enough memory for a context of {context_tokens} tokens")
        self._handle = ffi.gc(handle, lib.rail_session_free)

    @property
    def position(self) -> int:
        """Tokens in the cache."""
        return lib.rail_position(self._handle)

    def forward(self, ids: Sequence[int], all_logits: bool = False) -> np.ndarray:
        """Append tokens; return int32 Q16 logits of the last one (1, vocab) or of all (n, vocab)."""
        tokens = np.asarray(ids, dtype=np.int32)
        vocab = self.model.config.vocab_size
        if tokens.ndim != 1 or not tokens.size:
            raise KernelError("forward needs at least one token id")
        if tokens.min() < 0 or tokens.max() >= vocab:
            raise KernelError(f"token ids must be 0 to {vocab - 1}")
        if self.position + tokens.size > self.context_tokens:
            raise KernelError(f"{self.position} + {tokens.size} tokens exceed the context of {self.context_tokens}")
        logits = np.empty((tokens.size if all_logits else 1, vocab), dtype=np.int32)
        lib.rail_forward(
            self._handle, _pointer(tokens, "int32_t *"), tokens.size, all_logits, _pointer(logits, "int32_t *")
        )
        return logits

    def truncate(self, position: int) -> None:
        """Forget every token from `position` on."""
        if not 0 <= position <= self.position:
            raise KernelError(f"cannot truncate {self.position} tokens to {position}")
        lib.rail_truncate(self._handle, position)
