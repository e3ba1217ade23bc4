"""Tokenizer files of Hugging Face folders: the ids of its own library, its special tokens, and refusal of the rest."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hf_folders import BYTE_LEVEL, added, byte_fallback, byte_level, sequence, write_folder
from hypothesis import given
from hypothesis import strategies as st
from small_vocabulary import small_vocabulary

from inference.convert.hf_vocabulary import folder_vocabulary
from inference.errors import ConversionError, TokenizerError
from inference.tokenizer import Tokenizer

SPECIALS = ["<|begin_of_text|>", "<|eot_id|>", "<|im_end|>"]
OWN = ["<think>", "</think>"]
CONFIG = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
ALPHABET = "theand ing 12345你好\n\r\tLL'sS<think>/x🧪é\u0301"

texts = st.text(ALPHABET) | st.text()


def library(tokenizer: dict[str, Any]) -> tokenizers.Tokenizer:
    """The oracle: Hugging Face's own, without the normaliser that we leave out on purpose."""
    return tokenizers.Tokenizer.from_str(json.dumps({**tokenizer, "normalizer": None}))


def refuse(folder: Path, **files: Any) -> str:
    with pytest.raises((ConversionError, TokenizerError)) as caught:
        folder_vocabulary(write_folder(folder, **files))
    return caught.value.code


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen2", "smollm"])
def test_byte_level_ids_are_those_of_the_library(name: str, pairs: bool, tmp_path: Path) -> None:
    file = byte_level(name, SPECIALS, OWN, bos=name == "llama3", pairs=pairs)
    vocabulary = folder_vocabulary(write_folder(tmp_path, tokenizer=file, tokenizer_config=CONFIG))
    assert (vocabulary.kind, vocabulary.add_bos) == ("bpe", name == "llama3")
    tokenizer, theirs = Tokenizer(vocabulary), library(file)
    assert tokenizer.vocab_size == theirs.get_vocab_size()

    @given(texts)
    def same(text: str) -> None:
        if not any(special in text for special in SPECIALS):
            assert tokenizer.encode(text) == theirs.encode(text).ids
            assert tokenizer.encode(text, bos=False) == theirs.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text.encode()

    same()


@pytest.mark.parametrize("scheme", ["legacy", "always", "first", "never"])
def test_byte_fallback_ids_are_those_of_the_library(scheme: str, tmp_path: Path) -> None:
    file = byte_fallback(scheme)
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}, "add_bos_token": True}
    vocabulary = folder_vocabulary(write_folder(tmp_path, tokenizer=file, tokenizer_config=config))
    assert (vocabulary.kind, vocabulary.bos_id, vocabulary.stop_ids) == ("bpe", 1, (2,))
    assert vocabulary.space_after_control == (scheme in ("legacy", "always"))
    tokenizer = Tokenizer(vocabulary)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(file))

    @given(texts)
    def same(text: str) -> None:
        assert tokenizer.decode(tokenizer.encode(text)) == text.encode()
        assert tokenizer.decode(tokenizer.encode(text, bos=False)) == text.encode()
        # Metaspace puts no space before a space, and could not tell the two apart again; U+2581 is not a space here.
        if not (text.startswith(" ") and scheme in ("first", "always")) and not re.search("\u2581|</?s>", text):
            assert tokenizer.encode(text) == theirs.encode(text).ids

    same()


def test_sentencepiece_model_goes_before_merges_over_characters(tmp_path: Path) -> None:
    alone = folder_vocabulary(write_folder(tmp_path / "a", tokenizer=small_vocabulary()))
    assert (alone.kind, alone.data, alone.bos_id, alone.add_bos, alone.stop_ids, alone.space_after_control) == (
        *("sentencepiece", small_vocabulary(), 1, True, (2,)),
        True,
    )
    folder = write_folder(tmp_path / "b", tokenizer=small_vocabulary())
    both = folder_vocabulary(
        write_folder(
            folder, tokenizer=byte_fallback("first"), tokenizer_config={"eos_token": "</s>", "bos_token": "<s>"}
        )
    )
    assert (both.kind, both.data, both.bos_id, both.space_after_control) == (alone.kind, alone.data, 1, False)
    modern = write_folder(tmp_path / "c", tokenizer=small_vocabulary(), tokenizer_config={"legacy": False})
    assert not folder_vocabulary(modern).space_after_control


def test_added_tokens_are_appended_to_a_sentencepiece_model(tmp_path: Path) -> None:
    count = Tokenizer(folder_vocabulary(write_folder(tmp_path / "a", tokenizer=small_vocabulary()))).vocab_size
    decoder = {
        "0": added(0, "<unk>"),
        str(count): added(count, "<|im_start|>"),
        str(count + 1): added(count + 1, "<|im_end|>"),
        str(count + 2): added(count + 2, "<tool>", special=False),
    }
    config = {"added_tokens_decoder": decoder, "bos_token": "<s>", "eos_token": "<|im_end|>"}
    vocabulary = folder_vocabulary(write_folder(tmp_path / "b", tokenizer=small_vocabulary(), tokenizer_config=config))
    tokenizer = Tokenizer(vocabulary)
    assert tokenizer.vocab_size == count + 3
    assert tokenizer.controls == {"<s>": 1, "</s>": 2, "<|im_start|>": count, "<|im_end|>": count + 1}
    assert vocabulary.stop_ids == (count + 1,)
    assert count + 2 in tokenizer.encode("the <tool> and")
    legacy = {"<|im_end|>": count}
    named = {"additional_special_tokens": ["<|im_end|>"], "bos_token": "<s>", "eos_token": "</s>"}
    folder = write_folder(tmp_path / "c", tokenizer=small_vocabulary(), added_tokens=legacy, special_tokens_map=named)
    assert Tokenizer(folder_vocabulary(folder)).controls["<|im_end|>"] == count
    wrong = {"added_tokens_decoder": {"5": added(5, "<|x|>")}, "bos_token": "<s>", "eos_token": "</s>"}
    assert refuse(tmp_path / "d", tokenizer=small_vocabulary(), tokenizer_config=wrong) == "vocabulary"
    hole = {"added_tokens_decoder": {"9000": added(9000, "<|x|>")}, "bos_token": "<s>", "eos_token": "</s>"}
    assert refuse(tmp_path / "e", tokenizer=small_vocabulary(), tokenizer_config=hole) == "vocabulary"


def test_generation_config_says_which_ids_end_a_run(tmp_path: Path) -> None:
    file = byte_level("llama3", SPECIALS, OWN)
    first = len(file["model"]["vocab"])
    for number, (files, stops) in enumerate(
        [
            ({"generation_config": {"eos_token_id": [first + 2, first]}}, (first, first + 1, first + 2)),
            ({"generation_config": {"eos_token_id": first + 2}}, (first + 1, first + 2)),
            ({"generation_config": {"eos_token_id": first + 1}, "config": {"eos_token_id": first}}, (first + 1,)),
            ({"config": {"eos_token_id": first}}, (first, first + 1)),
            ({}, (first + 1,)),
        ]
    ):
        folder = write_folder(tmp_path / str(number), tokenizer=file, tokenizer_config=CONFIG, **files)
        vocabulary = folder_vocabulary(folder)
        assert (vocabulary.eos_id, vocabulary.stop_ids) == (first + 1, stops)
    alone = write_folder(tmp_path / "alone", tokenizer=file, generation_config={"eos_token_id": [first + 2, first]})
    vocabulary = folder_vocabulary(alone)
    assert (vocabulary.bos_id, vocabulary.eos_id, vocabulary.stop_ids) == (None, first + 2, (first, first + 2))
    assert refuse(tmp_path / "none", tokenizer=file) == "vocabulary"
    assert refuse(tmp_path / "text", tokenizer=file, generation_config={"eos_token_id": "x"}) == "vocabulary"


def test_bos_is_put_where_a_file_says_so(tmp_path: Path) -> None:
    for number, (processed, flag, expected) in enumerate(
        [(True, None, True), (False, None, False), (True, False, False), (False, True, True), (True, True, True)]
    ):
        file = byte_level("llama3", SPECIALS, OWN, bos=processed)
        config = CONFIG if flag is None else {**CONFIG, "add_bos_token": flag}
        folder = write_folder(tmp_path / str(number), tokenizer=file, tokenizer_config=config)
        assert folder_vocabulary(folder).add_bos is expected
    without = {"eos_token": "<|eot_id|>", "bos_token": None, "add_bos_token": True}
    folder = write_folder(tmp_path / "none", tokenizer=byte_level("qwen2", SPECIALS, OWN), tokenizer_config=without)
    assert folder_vocabulary(folder).bos_id is None


def test_ids_without_a_token_are_unused(tmp_path: Path) -> None:
    file = byte_level("gpt2", [], [])
    count = len(file["model"]["vocab"])
    file["added_tokens"] = [added(count + 5, "<|eot_id|>")]
    folder = write_folder(tmp_path, tokenizer=file, tokenizer_config={"eos_token": "<|eot_id|>"})
    tokenizer = Tokenizer(folder_vocabulary(folder))
    assert tokenizer.vocab_size == count + 6
    assert tokenizer.decode(range(count, count + 6)) == b""


MODEL = byte_level("llama3", SPECIALS, OWN)["model"]
UNSUPPORTED: dict[str, dict[str, Any]] = {
    "another normaliser": {"normalizer": {"type": "NFKC"}},
    "lower case": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}},
    "an unknown expression": {
        "pre_tokenizer": sequence(
            {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False},
            {**BYTE_LEVEL, "use_regex": False},
        )
    },
    "a space before": {"pre_tokenizer": {**BYTE_LEVEL, "add_prefix_space": True}},
    "no expression": {"pre_tokenizer": {**BYTE_LEVEL, "use_regex": False}},
    "no pre-tokenizer": {"pre_tokenizer": None},
    "unigram": {"model": {"type": "Unigram", "vocab": []}},
    "no model": {"model": None},
    "dropout": {"model": {**MODEL, "dropout": 0.1}},
    "a suffix": {"model": {**MODEL, "end_of_word_suffix": "</w>"}},
    "EOS after a text": {
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|eot_id|>", "type_id": 0}}],
        }
    },
    "another processor": {"post_processor": {"type": "BertProcessing"}},
    "stripping": {"added_tokens": [added(9000, "<|eot_id|>", rstrip=True), added(9001, "<|begin_of_text|>")]},
}
DAMAGED: dict[str, dict[str, Any]] = {
    "a merge of nothing": {"model": {**MODEL, "merges": [*MODEL["merges"], "zz qq"]}},
    "a merge that gives nothing": {"model": {**MODEL, "merges": [*MODEL["merges"], "a b"]}},
    "a merge of three": {"model": {**MODEL, "merges": ["a b c"]}},
    "merges that are numbers": {"model": {**MODEL, "merges": [1]}},
    "merges that are no list": {"model": {**MODEL, "merges": {}}},
    "a vocabulary that is a list": {"model": {**MODEL, "vocab": []}},
    "two tokens of one id": {"model": {**MODEL, "vocab": {**MODEL["vocab"], "xy": 5}}},
    "an id that is no number": {"model": {**MODEL, "vocab": {**MODEL["vocab"], "xy": "5"}}},
    "a negative id": {"model": {**MODEL, "vocab": {**MODEL["vocab"], "xy": -5}}},
    "an id of a billion": {"model": {**MODEL, "vocab": {**MODEL["vocab"], "xy": 10**9}}},
    "a byte that is missing": {"model": {**MODEL, "vocab": {t: i for t, i in MODEL["vocab"].items() if t != "a"}}},
    "a token that is no bytes": {"model": {**MODEL, "vocab": {**MODEL["vocab"], "a b": 300}}},
    "an added token without id": {"added_tokens": [{"content": "<|x|>"}]},
    "an added token with another's id": {"added_tokens": [added(5, "<|eot_id|>"), added(6, "<|begin_of_text|>")]},
    "added tokens that are no list": {"added_tokens": 5},
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_would_give_other_ids_is_refused(name: str, tmp_path: Path) -> None:
    file = {**byte_level("llama3", SPECIALS, OWN), **UNSUPPORTED[name]}
    assert refuse(tmp_path, tokenizer=file, tokenizer_config=CONFIG) == "unsupported"


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused(name: str, tmp_path: Path) -> None:
    file = {**byte_level("llama3", SPECIALS, OWN), **DAMAGED[name]}
    code = refuse(tmp_path, tokenizer=file, tokenizer_config=CONFIG)
    assert code in ("vocabulary", "vocabulary_damaged", "vocabulary_unsupported")


def test_other_refusals_name_what_is_wrong(tmp_path: Path) -> None:
    file = byte_level("llama3", SPECIALS, OWN)
    assert refuse(tmp_path / "empty") == "tokenizer_missing"
    assert refuse(tmp_path / "a", tokenizer=file, tokenizer_config={**CONFIG, "eos_token": "</s>"}) == "vocabulary"
    assert refuse(tmp_path / "b", tokenizer=file, tokenizer_config={**CONFIG, "eos_token": 5}) == "vocabulary"
    assert refuse(tmp_path / "c", tokenizer=file, tokenizer_config={**CONFIG, "add_eos_token": True}) == "unsupported"
    assert (
        refuse(tmp_path / "d", tokenizer=file, tokenizer_config={**CONFIG, "add_prefix_space": True}) == "unsupported"
    )
    assert refuse(tmp_path / "e", tokenizer=file, tokenizer_config={**CONFIG, "add_bos_token": "yes"}) == "vocabulary"
    (tmp_path / "f").mkdir()
    for data in (b"", b"[]", b"{", b'{"model": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"[" * 100_000, b"9" * 100_000):
        (tmp_path / "f" / "tokenizer.json").write_bytes(data)
        code = refuse(tmp_path / "f")
        assert code == "json_damaged" if data else code == "source_unreadable"


def test_byte_fallback_that_is_not_plain_is_refused(tmp_path: Path) -> None:
    file = byte_fallback()
    changes: list[dict[str, Any]] = [
        {"model": {**file["model"], "byte_fallback": False}},
        {"model": {**file["model"], "ignore_merges": True}},
        {"normalizer": {"type": "Replace", "pattern": {"Regex": "x"}, "content": "y"}},
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": False}},
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}},
    ]
    for number, change in enumerate(changes):
        normalizer = None if "pre_tokenizer" in change else file["normalizer"]
        changed = {**file, "normalizer": normalizer, **change}
        assert (
            refuse(tmp_path / str(number), tokenizer=changed, tokenizer_config={"eos_token": "</s>"}) == "unsupported"
        )
