"""Integer kernels and the transformer step (inference/SPEC.md), behind cffi.

This is the only Python file that touches C pointers. Arguments are checked here, once: the C side trusts its caller.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from native._native import ffi, lib

BLOCK_ROWS = 16
DEPTH_MULTIPLE = 8
"""Columns of a stored matrix are a multiple of this; what is past the real ones weighs nothing."""

THREADS_MAX = 64
CAPTURE_TOKENS = lib.rail_capture_tokens()
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
    window_tokens: int
    ffn_rotation: int
    qkv_bias: bool
    qk_norm: bool
    layer_bits: int
    head_bits: int
    exponents: Mapping[str, int]

    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """(rows, columns, bits a weight) of every matrix, in the order the C side takes them."""
        q, kv, bits = self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim, self.layer_bits
        layer = {"wq": (q, self.dim, bits), "wk": (kv, self.dim, bits), "wv": (kv, self.dim, bits),
                 "wo": (self.dim, q, bits), "w1": (self.ffn_dim, self.dim, bits), "w3": (self.ffn_dim, self.dim, bits),
                 "w2": (self.dim, self.ffn_dim, bits)}  # fmt: skip
        shapes = {"tok_embed": (self.vocab_size, self.dim, 8)}
        for i in range(self.n_layers):
            shapes |= {f"layers.{i}.{name}": layer[name] for name in LAYER_MATRICES}
        return shapes | {"head": (self.vocab_size, self.dim, self.head_bits)}


def blocked_shape(rows: int, columns: int, bits: int) -> tuple[int, ...]:
    """Shape of a stored matrix of bytes: (blocks, steps, 16 rows, 4 columns), or 64 bytes for 8 columns of 4 bits."""
    blocks, depth = -(-rows // BLOCK_ROWS), -(-columns // DEPTH_MULTIPLE) * DEPTH_MULTIPLE
    return (blocks, depth // 4, BLOCK_ROWS, 4) if bits == 8 else (blocks, depth // 8, 64)


def _all_kernels() -> list[str]:
    names, index = [], 0
    while kernels := lib.kernels_at(index):
        names.append(ffi.string(kernels.name).decode())
        index += 1
    return names


def backends() -> tuple[str, ...]:
    """Kernel sets that this CPU runs, fastest last. All give the same bits."""
    return tuple(name for i, name in enumerate(_all_kernels()) if lib.kernels_at(i).usable())


def kernels_index(name: str | None = None) -> int:
    """Index of a kernel set; None means `RAIL_KERNELS`, or the fastest. Raises KernelError, never falls back."""
    name = name or os.environ.get("RAIL_KERNELS") or backends()[-1]
    if name not in backends():
        known = "unknown" if name not in _all_kernels() else "not supported by this CPU"
        raise KernelError(f"kernel set {name!r} is {known}; usable here: {', '.join(backends())}")
    return _all_kernels().index(name)


def _pointer(tensors: Mapping[str, np.ndarray], name: str, dtype: type, shape: tuple[int, ...], ctype: str) -> object:
    """Pointer to a tensor, whose type and shape are checked."""
    array = tensors[name]
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise KernelError(f"{name}: want contiguous {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}")
    return ffi.cast(ctype, array.ctypes.data)


class Model:
    """Weights, kernels and a thread pool. Keeps the arrays alive and does not copy them."""

    def __init__(
        self, config: Config, tensors: Mapping[str, np.ndarray], kernels: str | None = None, threads: int = 1
    ) -> None:
        """`tensors`: those of SPEC.md section 8, by name. Raises KernelError for wrong shapes, an unknown kernel set,
        or no memory.
        """
        if not 1 <= threads <= THREADS_MAX:
            raise KernelError(f"threads must be 1 to {THREADS_MAX}, got {threads}")
        index = kernels_index(kernels)
        self.config, self.threads, self.kernels = config, threads, _all_kernels()[index]
        self._tensors = dict(tensors)
        dims = ffi.new("rail_dims *")
        for field in ("dim", "n_layers", "n_heads", "n_kv_heads", "head_dim", "ffn_dim", "vocab_size", "context_tokens",
                      "window_tokens", "ffn_rotation", "norm_eps_q48"):  # fmt: skip
            setattr(dims, field, getattr(config, field))
        self._handle = lib.rail_model_new(dims, self._matrices(), self._arrays(), index, threads)
        if not self._handle:
            raise KernelError("not enough memory or threads for the model")
        self._handle = ffi.gc(self._handle, lib.rail_model_free)

    def _matrices(self) -> object:
        shapes = self.config.shapes()
        matrices = ffi.new("rail_matrix[]", len(shapes))
        for entry, (name, (rows, columns, bits)) in zip(matrices, shapes.items(), strict=True):
            blocked = blocked_shape(rows, columns, bits)
            depth = blocked[1] * 32 // bits
            entry.weights = _pointer(self._tensors, name, np.uint8, blocked, "uint8_t *")
            if bits == 4:
                entry.codes = _pointer(self._tensors, f"{name}.code", np.uint8, (blocked[0], depth // 4), "uint8_t *")
            entry.scales = _pointer(self._tensors, f"{name}.scale", np.uint16, (rows,), "uint16_t *")
            if self.config.qkv_bias and name.endswith((".wq", ".wk", ".wv")):
                entry.bias = _pointer(self._tensors, f"{name}.bias", np.int32, (rows,), "int32_t *")
            entry.rows, entry.cols, entry.depth = rows, columns, depth
            entry.exponent = self.config.exponents[name]
        return matrices

    def _arrays(self) -> object:
        config, arrays = self.config, ffi.new("rail_arrays *")
        arrays.rope_turns = _pointer(self._tensors, "rope_freq", np.uint64, (config.head_dim // 2,), "uint64_t *")
        if 4 in (config.layer_bits, config.head_bits):
            arrays.codebooks = _pointer(self._tensors, "codebooks", np.uint8, (256, 16), "uint8_t *")
        if config.qk_norm:
            for name in ("norm_q", "norm_k"):
                shape = (config.n_layers, config.head_dim)
                setattr(arrays, name, _pointer(self._tensors, name, np.int32, shape, "int32_t *"))
        return arrays

    def session(self, context_tokens: int | None = None) -> "Session":
        """A fresh KV cache for up to `context_tokens` (default: the model's context)."""
        return Session(self, context_tokens or self.config.context_tokens)

    def step(self, pieces: Sequence["Piece"]) -> np.ndarray:
        """Append each piece's tokens to its session, all in one pass; int32 Q16 logits (wanted tokens, vocab) of the
        tokens that want them, in order. Sessions must differ. One call at a time.
        """
        if len({id(piece.session) for piece in pieces}) != len(pieces) or not pieces:
            raise KernelError("a step needs pieces of one or more different sessions")
        native_pieces = ffi.new("rail_piece[]", len(pieces))
        ids = [piece.checked(self) for piece in pieces]
        wanted = 0
        for entry, piece, tokens in zip(native_pieces, pieces, ids, strict=True):
            entry.session, entry.count = piece.session._handle, tokens.size
            entry.ids = ffi.cast("int32_t *", tokens.ctypes.data)
            entry.logits_from = tokens.size - piece.logits
            wanted += piece.logits
        logits = np.empty((wanted, self.config.vocab_size), dtype=np.int32)
        lib.rail_step(self._handle, native_pieces, len(pieces), ffi.cast("int32_t *", logits.ctypes.data))
        return logits

    def capture(self, ids: Sequence[int]) -> np.ndarray:
        """Inputs of every matrix for a sequence of at most `CAPTURE_TOKENS` tokens, int8 (n_layers + 1, 4, n, width):
        of wq wk wv, wo, w1 w3, w2; in the last layer only place 0 is filled, for head. Past an
        input's own width a row holds anything.
        """
        config = self.config
        width = max(config.dim, config.n_heads * config.head_dim, config.ffn_dim)
        if len(ids) > CAPTURE_TOKENS:
            raise KernelError(f"at most {CAPTURE_TOKENS} tokens can be captured at once, got {len(ids)}")
        found = np.zeros((config.n_layers + 1, 4, len(ids), width), dtype=np.int8)
        session = self.session(len(ids))
        lib.rail_capture(self._handle, _data(found, "int8_t *"), width)
        try:
            session.forward(ids, all_logits=True)
        finally:
            lib.rail_capture(self._handle, ffi.NULL, 0)
        return found


class Session:
    """One sequence: its KV cache and position. Not for two threads at once."""

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

    @property
    def size_bytes(self) -> int:
        """Memory of the tokens in the cache."""
        return lib.rail_session_bytes(self._handle)

    def forward(self, ids: Sequence[int], all_logits: bool = False) -> np.ndarray:
        """Append tokens; return int32 Q16 logits of the last one (1, vocab) or of all (n, vocab)."""
        return self.model.step([Piece(self, ids, len(ids) if all_logits else 1)])

    def truncate(self, position: int) -> None:
        """Forget every token from `position` on."""
        if not 0 <= position <= self.position:
            raise KernelError(f"cannot truncate {self.position} tokens to {position}")
        lib.rail_truncate(self._handle, position)

    def copy_from(self, other: "Session", positions: int) -> None:
        """Become the first `positions` tokens of another session of the same model."""
        if other.model is not self.model or not 0 <= positions <= min(other.position, self.context_tokens):
            raise KernelError(f"cannot copy {positions} of {other.position} tokens into {self.context_tokens}")
        lib.rail_session_copy(self._handle, other._handle, positions)


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens for the next positions of a session; logits are wanted of the last `logits` ones."""

    session: Session
    ids: Sequence[int]
    logits: int = 1

    def checked(self, model: Model) -> np.ndarray:
        """The ids as int32. Raises KernelError for ids and counts that the model or the session cannot take."""
        tokens = np.asarray(self.ids, dtype=np.int32)
        vocab, session = model.config.vocab_size, self.session
        if session.model is not model or tokens.ndim != 1 or not 0 <= self.logits <= tokens.size or not tokens.size:
            raise KernelError("a piece needs a session of this model and at least one token id")
        if tokens.min() < 0 or tokens.max() >= vocab:
            raise KernelError(f"token ids must be 0 to {vocab - 1}")
        if session.position + tokens.size > session.context_tokens:
            raise KernelError(
                f"{session.position} + {tokens.size} tokens exceed the context of {session.context_tokens}"
            )
        return tokens


def choose_codes(weights: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """For each 64 weights, int16 (n, 64), the number of the codebook, of int16 (256, 16), that is nearest to them."""
    codes = np.empty(len(weights), dtype=np.uint8)
    _conversion_arrays(weights, levels)
    books, out = _data(levels, "int16_t *"), _data(codes, "uint8_t *")
    lib.rail_choose_codes(_data(weights, "int16_t *"), len(weights), books, out)
    return codes


def nearest_levels(weights: np.ndarray, levels: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Index of the nearest level of each weight in the codebook that its 64 weights have, uint8 (n, 64)."""
    indexes = np.empty(weights.shape, dtype=np.uint8)
    _conversion_arrays(weights, levels)
    lib.rail_nearest_levels(
        _data(weights, "int16_t *"), len(weights), _data(levels, "int16_t *"), _data(codes, "uint8_t *"),
        _data(indexes, "uint8_t *"),
    )  # fmt: skip
    return indexes


def _conversion_arrays(weights: np.ndarray, levels: np.ndarray) -> None:
    if weights.ndim != 2 or weights.shape[1] != 64 or levels.shape != (256, 16):
        raise KernelError(f"want weights (n, 64) and levels (256, 16), got {weights.shape} and {levels.shape}")
    for array in (weights, levels):
        if array.dtype != np.int16 or not array.flags.c_contiguous or np.abs(array.astype(np.int32)).max() >= 1 << 14:
            raise KernelError("weights and levels must be contiguous int16 below 2**14")


def _data(array: np.ndarray, ctype: str) -> object:
    return ffi.cast(ctype, array.ctypes.data)
