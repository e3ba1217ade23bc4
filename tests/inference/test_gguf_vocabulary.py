"""Vocabularies inside GGUF files: what their keys mean, and which are refused."""

from typing import Any

import numpy as np
import pytest
from small_vocabulary import CHAT_CONTROLS, OWN, byte_pair_tokens, byte_pair_vocabulary, small_vocabulary

from inference.convert.gguf_container import Container
from inference.convert.sources import Source
from inference.convert.vocabulary import gguf_vocabulary
from inference.errors import ConversionError, TokenizerError
from inference.pieces import PieceType
from inference.sentencepiece_model import SentencePieceModel
from inference.tokenizer import Tokenizer

Metadata = dict[str, Any]
WORDS = ["the", " the", "and", " and", "ing", "你", "  ", "<|", "|>", "im", "12"]


def container(metadata: Metadata) -> Container:
    keys = {f"tokenizer.ggml.{key}": value for key, value in metadata.items() if value is not None}
    return Container(Source("m.gguf", memoryview(b"")), keys, {})


def sentencepiece_keys(**changes: Any) -> Metadata:
    pieces = SentencePieceModel.decode(small_vocabulary()).pieces
    return {
        "model": "llama",
        "pre": "default",
        "tokens": [piece.text for piece in pieces],
        "scores": [np.frombuffer(piece.score, "<f4")[0] for piece in pieces],
        "token_type": [int(piece.type) for piece in pieces],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "unknown_token_id": 0,
        "add_bos_token": True,
        **changes,
    }


def byte_pair_keys(**changes: Any) -> Metadata:
    """The same vocabulary as `byte_pair_vocabulary`, in the way of GGUF."""
    tokens, merges = byte_pair_tokens(WORDS)
    count = len(tokens)
    types = [1] * count + [4, 5] + [3] * 4
    return {
        "model": "gpt2",
        "pre": "llama-bpe",
        "tokens": [*tokens, OWN, "[PAD1]", *CHAT_CONTROLS],
        "token_type": types,
        "merges": [" ".join(merge) for merge in merges],
        "bos_token_id": count + 2,
        "eos_token_id": count + 3,
        **changes,
    }


def test_sentencepiece_keys_make_the_model_they_came_from() -> None:
    vocabulary = gguf_vocabulary(container(sentencepiece_keys()))
    assert vocabulary.data == small_vocabulary()
    assert (vocabulary.bos_id, vocabulary.add_bos, vocabulary.stop_ids) == (1, True, (2,))
    assert vocabulary.space_after_control


def test_byte_pair_keys_make_the_vocabulary_they_came_from() -> None:
    vocabulary = gguf_vocabulary(container(byte_pair_keys(pre="qwen2", add_bos_token=True)))
    made = byte_pair_vocabulary("qwen2")
    ours, theirs = Tokenizer(vocabulary), Tokenizer(made)
    assert vocabulary.bos_id == made.bos_id and vocabulary.add_bos
    assert ours.controls == theirs.controls
    for text in ("the and 12 你", f"a{OWN}b", "", "  <|im_end|>"):
        assert ours.encode(text) == theirs.encode(text)


def test_known_ends_of_a_turn_end_a_run() -> None:
    count = len(byte_pair_keys()["tokens"])
    begin, end, im_start, im_end = range(count - 4, count)
    assert gguf_vocabulary(container(byte_pair_keys())).stop_ids == (end, im_end)
    turns = byte_pair_keys(eos_token_id=im_end, eot_token_id=im_start, eom_token_id=end)
    assert gguf_vocabulary(container(turns)).stop_ids == (end, im_start, im_end)
    assert begin not in gguf_vocabulary(container(turns)).stop_ids


def test_ids_that_end_a_run_become_control_pieces() -> None:
    keys = sentencepiece_keys()
    keys["token_type"] = [*keys["token_type"][:2], int(PieceType.USER_DEFINED), *keys["token_type"][3:]]
    assert set(Tokenizer(gguf_vocabulary(container(keys))).controls) == {"<s>", "</s>"}


def test_rows_called_unknown_are_unused() -> None:
    keys = sentencepiece_keys()
    for name, value in (("tokens", "[PAD]"), ("scores", np.float32(-1000)), ("token_type", 2)):
        keys[name] = [*keys[name], value]
    tokenizer = Tokenizer(gguf_vocabulary(container(keys)))
    assert tokenizer.decode([tokenizer.vocab_size - 1]) == b""
    assert tokenizer.decode([0]) == "\ufffd".encode()


def test_bos_is_optional_for_byte_pairs() -> None:
    for pre, flag, expected in (("qwen2", None, False), ("qwen2", True, True), ("llama3", None, True)):
        assert gguf_vocabulary(container(byte_pair_keys(pre=pre, add_bos_token=flag))).add_bos is expected
    vocabulary = gguf_vocabulary(container(byte_pair_keys(pre="gpt-2", bos_token_id=None)))
    assert (vocabulary.bos_id, vocabulary.add_bos) == (None, False)
    assert Tokenizer(vocabulary).encode("") == []
    with pytest.raises(TokenizerError):
        gguf_vocabulary(container(byte_pair_keys(bos_token_id=None, add_bos_token=True)))


REFUSED: list[tuple[Metadata, str]] = [
    (sentencepiece_keys(model="bert"), "unsupported"),
    (sentencepiece_keys(model=None), "unsupported"),
    (sentencepiece_keys(pre="other"), "unsupported"),
    (sentencepiece_keys(remove_extra_whitespaces=True), "unsupported"),
    (sentencepiece_keys(precompiled_charsmap=[1]), "unsupported"),
    (sentencepiece_keys(add_eos_token=True), "unsupported"),
    (sentencepiece_keys(add_bos_token=1), "gguf_metadata"),
    (sentencepiece_keys(bos_token_id=-1), "gguf_metadata"),
    (sentencepiece_keys(eos_token_id=1 << 30), "gguf_metadata"),
    (sentencepiece_keys(eos_token_id=1), "vocabulary"),
    (sentencepiece_keys(eot_token_id="x"), "gguf_metadata"),
    (sentencepiece_keys(tokens=["a"]), "gguf_metadata"),
    (sentencepiece_keys(tokens=[1, 2]), "gguf_metadata"),
    (sentencepiece_keys(scores=[np.float32("nan")] * len(sentencepiece_keys()["tokens"])), "gguf_metadata"),
    (sentencepiece_keys(token_type=[9] * len(sentencepiece_keys()["tokens"])), "gguf_metadata"),
    (byte_pair_keys(pre="default"), "unsupported"),
    (byte_pair_keys(pre=None), "unsupported"),
    (byte_pair_keys(pre=["gpt-2"]), "unsupported"),
    (byte_pair_keys(add_space_prefix=True), "unsupported"),
    (byte_pair_keys(eos_token_id=None), "gguf_metadata"),
    (byte_pair_keys(merges=None), "gguf_metadata"),
    (byte_pair_keys(merges=["ab"]), "gguf_metadata"),
    (byte_pair_keys(merges=["a b c"]), "gguf_metadata"),
    (byte_pair_keys(merges=[" b"]), "gguf_metadata"),
    (byte_pair_keys(merges=["zz qq"]), "vocabulary"),
    (byte_pair_keys(merges=["a b"]), "vocabulary_damaged"),
    (byte_pair_keys(merges=["t h", "t h"]), "vocabulary_damaged"),
    (byte_pair_keys(tokens=["a b", *byte_pair_keys()["tokens"][1:]]), "vocabulary"),
    (byte_pair_keys(tokens=["!", "!", *byte_pair_keys()["tokens"][2:]]), "vocabulary_damaged"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_damaged_or_would_give_other_ids_is_refused(number: int) -> None:
    metadata, code = REFUSED[number]
    with pytest.raises((ConversionError, TokenizerError)) as caught:
        gguf_vocabulary(container(metadata))
    assert caught.value.code == code
