"""The vocabulary that is embedded in a GGUF file: sentencepiece pieces with scores, or byte pairs with merges.

`hf_vocabulary` and `llama2c_vocabulary` read the others.
"""

from typing import Any

import numpy as np

from inference.convert.byte_pairs import byte_pairs
from inference.convert.gguf_container import Container
from inference.convert.sentencepiece_writer import SPACE, Piece, PieceType, byte_piece, sentencepiece_model
from inference.errors import ConversionError
from inference.vocabulary import Vocabulary

__all__ = ["END_TEXTS", "SPACE", "Piece", "PieceType", "byte_piece", "gguf_vocabulary", "sentencepiece_model"]

# Control tokens with which the chat models of our families end a turn, whether or not their file says so.
END_TEXTS = ("</s>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|im_end|>")

_KEY = "tokenizer.ggml."
_PRE_TOKENIZERS = {  # names of llama.cpp: ours, whether a word that is a piece is not merged, whether BOS is usual
    "gpt-2": ("gpt2", False, False),
    "llama3": ("llama3", True, True),
    "llama-v3": ("llama3", True, True),
    "llama-bpe": ("llama3", True, True),
    "qwen2": ("qwen2", False, False),
    "deepseek-r1-qwen": ("qwen2", False, False),
    "smollm": ("smollm", False, False),
}


def gguf_vocabulary(container: Container) -> Vocabulary:
    """The embedded vocabulary of a GGUF file. Raises ConversionError: `gguf_metadata`, `unsupported`, `vocabulary`."""
    _expect(container, "add_eos_token", (None, False), "nothing is put after a text")
    model = container.metadata.get(_KEY + "model")
    if model == "llama":
        return _sentencepiece(container)
    if model == "gpt2":
        return _byte_pairs(container)
    raise ConversionError(
        "unsupported",
        f"{container.source.name}: {_KEY}model = {str(model)[:60]}; "
        "known are llama (sentencepiece) and gpt2 (byte pairs)",
    )


def _sentencepiece(container: Container) -> Vocabulary:
    for key, values in {
        "pre": (None, "default", "llama", "llama-spm"),
        "remove_extra_whitespaces": (None, False),
        "precompiled_charsmap": (None,),
    }.items():
        _expect(container, key, values, "only a sentencepiece vocabulary without normalisation is supported")
    texts = _array(container, "tokens", str)
    scores = _array(container, "scores", np.float32)
    if len(texts) != len(scores) or not np.isfinite(scores).all():
        raise _metadata(container, "scores", "finite, one for each token")
    unk_id, bos_id, eos_id = (
        _id(container, key, len(texts), default)
        for key, default in (("unknown_token_id", 0), ("bos_token_id", 1), ("eos_token_id", 2))
    )
    types = _types(container, len(texts))
    stop_ids = _stop_ids(container, texts, types, eos_id)
    for id in (bos_id, *stop_ids):
        types[id] = PieceType.CONTROL
    # Rows without a token are called unknown by some converters; there is only one unknown piece.
    types = [PieceType.UNUSED if kind is PieceType.UNKNOWN else kind for kind in types]
    types[unk_id] = PieceType.UNKNOWN
    pieces = [Piece(text, float(score), kind) for text, score, kind in zip(texts, scores, types, strict=True)]
    space_before = _flag(container, "add_space_prefix", True)
    data = sentencepiece_model(pieces, unk_id, bos_id, eos_id, space_before)
    add_bos = _flag(container, "add_bos_token", True)
    # llama.cpp puts the space after each control token, as the families' own code does.
    return Vocabulary("sentencepiece", data, bos_id, add_bos, eos_id, stop_ids, space_before)


def _byte_pairs(container: Container) -> Vocabulary:
    _expect(container, "pre", tuple(_PRE_TOKENIZERS), "its way to cut words is not known; convert from another file")
    _expect(container, "add_space_prefix", (None, False), "nothing is put before a text")
    pre_tokenizer, ignore_merges, usual_bos = _PRE_TOKENIZERS[container.metadata[_KEY + "pre"]]
    tokens = _array(container, "tokens", str)
    types = _types(container, len(tokens))
    eos_id = _id(container, "eos_token_id", len(tokens))
    bos_id = _id(container, "bos_token_id", len(tokens)) if _KEY + "bos_token_id" in container.metadata else None
    stop_ids = _stop_ids(container, tokens, types, eos_id)
    for id in stop_ids if bos_id is None else (bos_id, *stop_ids):
        types[id] = PieceType.CONTROL
    types = [PieceType.UNUSED if kind is PieceType.UNKNOWN else kind for kind in types]
    merges = [_merge(container, merge) for merge in _array(container, "merges", str)]
    data = byte_pairs(tokens, types, merges, pre_tokenizer, ignore_merges)
    return Vocabulary("bpe", data, bos_id, _flag(container, "add_bos_token", usual_bos), eos_id, stop_ids)


def _merge(container: Container, merge: str) -> tuple[str, str]:
    """Left and right token; no token has a space in it."""
    left, _, right = merge.partition(" ")
    if not left or not right or " " in right:
        raise _metadata(container, "merges", "two tokens and a space between them, each")
    return left, right


def _stop_ids(container: Container, texts: list[str], types: list[PieceType], eos_id: int) -> tuple[int, ...]:
    found = {eos_id}
    for key in ("eot_token_id", "eom_token_id"):
        if _KEY + key in container.metadata:
            found.add(_id(container, key, len(texts)))
    found.update(id for id, text in enumerate(texts) if types[id] is PieceType.CONTROL and text in END_TEXTS)
    return tuple(sorted(found))


def _types(container: Container, count: int) -> list[PieceType]:
    numbers = _array(container, "token_type", int)
    if len(numbers) != count or not {kind.value for kind in PieceType}.issuperset(numbers):
        raise _metadata(container, "token_type", "one of 1 to 6 for each token")
    return [PieceType(number) for number in numbers]


def _expect(container: Container, key: str, values: tuple[Any, ...], why: str) -> None:
    found = container.metadata.get(_KEY + key)
    if found not in values or type(found) is int:  # 1 equals True, and is not it
        raise ConversionError("unsupported", f"{container.source.name}: {_KEY}{key} = {str(found)[:60]}; {why}")


def _flag(container: Container, key: str, default: bool) -> bool:
    value = container.metadata.get(_KEY + key, default)
    if type(value) is not bool:
        raise _metadata(container, key, "true or false")
    return value


def _id(container: Container, key: str, count: int, default: int | None = None) -> int:
    value = container.metadata.get(_KEY + key, default)
    if type(value) is not int or not 0 <= value < count:
        raise _metadata(container, key, f"one of the {count} tokens")
    return value


def _array(container: Container, key: str, kind: type) -> list[Any]:
    values = container.metadata.get(_KEY + key)
    if type(values) is not list or any(type(value) is not kind for value in values):
        raise _metadata(container, key, f"an array of {kind.__name__}")
    return values


def _metadata(container: Container, key: str, rule: str) -> ConversionError:
    return ConversionError("gguf_metadata", f"{container.source.name}: {_KEY}{key} is missing or is not {rule}")
