"""Byte pairs: words cut as the models' own expressions do, merged as the library does, and refused if damaged."""

import random
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from small_vocabulary import byte_pair_tokens, byte_pair_vocabulary
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from inference import cbor
from inference.bpe_codec import BytePairCodec
from inference.bpe_data import USER_DEFINED_MAX, WHOLE, BytePairs
from inference.bpe_words import PRE_TOKENIZERS, cut_words
from inference.convert.byte_pairs import BYTE_OF, byte_pairs
from inference.errors import ConversionError, TokenizerError
from inference.pieces import PIECE_BYTES_MAX, PieceType
from inference.unicode_classes import LETTERS, NUMBERS

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
THEIRS = {
    "gpt2": GPT2,
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2]),
    "llama3": pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
    "qwen2": pre_tokenizers.Split(Regex(LLAMA3.replace("{1,3}", "")), "isolated"),
}
ALPHABET = "aZ'stSTrRreEvVmMlLdD  \t\n\r\v12²½é你\u0301\u00a0\u2028!?-ſ\u3000\x85\x1c\x1f\U0001f9ea<|>"
NEWER_NUMBERS = [*range(0x11DE0, 0x11DEA), *range(0x16FF4, 0x16FF7)]  # of Unicode 17: the library's Digits knows them

texts = st.text() | st.text(ALPHABET)


def their_words(name: str, text: str) -> list[str]:
    words = [word for word, _ in THEIRS[name].pre_tokenize_str(text)]
    if name in ("gpt2", "smollm"):
        words = [bytes(BYTE_OF[char] for char in word).decode() for word in words]
    return words


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
@given(text=texts)
def test_words_are_those_of_the_expressions(name: str, text: str) -> None:
    if not any(chr(number) in text for number in NEWER_NUMBERS):
        assert cut_words(text, name) == their_words(name, text)
    assert "".join(cut_words(text, name)) == text


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_every_assigned_character_is_of_its_kind(name: str) -> None:
    """Each character that Python's own, older tables know is asked of the library in a few places."""
    known = [code for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    step = 512
    for start in range(0, len(known), step):
        text = "".join(f"'{c} {c}a {c}{c}1{c} \n{c}" for c in map(chr, known[start : start + step]))
        assert cut_words(text, name) == their_words(name, text)


def test_table_agrees_with_this_pythons_for_all_that_it_knows() -> None:
    for kind, ranges in (("L", LETTERS), ("N", NUMBERS)):
        ours = {code for first, last in ranges for code in range(first, last + 1)}
        theirs = {code for code in range(0x110000) if unicodedata.category(chr(code))[0] == kind}
        assert all(unicodedata.category(chr(code)) == "Cn" for code in ours - theirs)
        newer = unicodedata.unidata_version > "16"
        assert newer or theirs <= ours


def trained(seed: int, name: str, ignore_merges: bool) -> tokenizers.Tokenizer:
    """A small vocabulary that the library trained on random text, with its own way from text to ids."""
    choose = random.Random(seed)
    words = ["".join(choose.choices("abcde你é'! \n12", k=choose.randrange(1, 7))) for _ in range(400)]
    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=ignore_merges))
    last = [] if name in ("gpt2", "smollm") else [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([THEIRS[name], *last])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + 150, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((" ".join(choose.choices(words, k=20)) for _ in range(200)), trainer)
    return tokenizer


def ours(tokenizer: tokenizers.Tokenizer, name: str, ignore_merges: bool) -> BytePairCodec:
    """The same vocabulary in our stored form."""
    import json

    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [tuple(merge) if type(merge) is list else tuple(merge.split(" ")) for merge in model["merges"]]
    return BytePairCodec(byte_pairs(tokens, [PieceType.NORMAL] * len(tokens), merges, name, ignore_merges))


@pytest.mark.parametrize("ignore_merges", [False, True])
@pytest.mark.parametrize("name", PRE_TOKENIZERS)
@pytest.mark.parametrize("seed", range(3))
def test_trained_vocabularies_give_the_librarys_ids(seed: int, name: str, ignore_merges: bool) -> None:
    theirs = trained(seed, name, ignore_merges)
    codec = ours(theirs, name, ignore_merges)
    choose = random.Random(seed + 100)
    for _ in range(400):
        text = "".join(choose.choices("abcde你é'! \n12🧪x", k=choose.randrange(40)))
        ids = codec.encode(text, beginning=True)
        assert ids == theirs.encode(text).ids
        assert ids == plain_merging(codec._pairs, text)
        assert b"".join(codec.pieces[id] for id in ids) == text.encode()


def plain_merging(pairs: BytePairs, text: str) -> list[int]:
    """The merge rule word for word: the first merge of the list that is possible, at its leftmost place, and again."""
    ids = {piece: id for id, piece in enumerate(pairs.pieces)}
    ranks = {(int(left), int(right)): rank for rank, (left, right) in enumerate(pairs.merges)}
    found: list[int] = []
    for word in map(str.encode, cut_words(text, pairs.pre_tokenizer)):
        if pairs.ignore_merges and word in ids:
            found.append(ids[word])
            continue
        symbols = [ids[bytes([value])] for value in word]
        while len(symbols) > 1:
            at = min(range(len(symbols) - 1), key=lambda at: ranks.get((symbols[at], symbols[at + 1]), len(ranks)))
            if (symbols[at], symbols[at + 1]) not in ranks:
                break
            symbols[at : at + 2] = [ids[pairs.pieces[symbols[at]] + pairs.pieces[symbols[at + 1]]]]
        found += symbols
    return found


def test_gpt2_gives_the_librarys_ids(shared_data: Path) -> None:
    models_folder = shared_data / "models"
    theirs = tokenizers.ByteLevelBPETokenizer(
        str(models_folder / "gpt2_vocab.json"), str(models_folder / "gpt2_merges.txt")
    )
    codec = ours(theirs._tokenizer, "gpt2", False)
    text = (shared_data / "corpora" / "heldout_books_en.txt").read_text(encoding="utf-8")[:200_000]
    assert codec.encode(text, beginning=True) == theirs.encode(text).ids

    @given(texts)
    def any_text_too(text: str) -> None:
        assert codec.encode(text, beginning=True) == theirs.encode(text).ids

    any_text_too()


PAIRS = BytePairCodec(byte_pair_vocabulary().data)._pairs


def test_stored_form_and_back() -> None:
    data = PAIRS.encode()
    assert data == byte_pair_vocabulary().data
    assert BytePairs.decode(data).encode() == data


def changed(**columns: Any) -> bytes:
    """The stored form with other columns, unchecked."""
    return cbor.encode({**cbor.decode(PAIRS.encode()), **columns})


def with_piece(id: int, text: bytes, kind: int = PieceType.NORMAL) -> bytes:
    """The stored form with another piece at an id."""
    pieces, types = list(PAIRS.pieces), bytearray(PAIRS.types)
    pieces[id], types[id] = text, kind
    lengths = np.array([len(piece) for piece in pieces], "<u2").tobytes()
    return changed(pieces=b"".join(pieces), lengths=lengths, types=bytes(types))


COUNT = len(PAIRS.pieces)
NORMAL = PAIRS.types.count(PieceType.NORMAL)
MERGES = PAIRS.merges.astype("<u4").tobytes()
BAD = {
    "no CBOR": b"\xff",
    "another order of keys": b"\xa1" + PAIRS.encode()[1:],
    "one key more": changed(more=1),
    "an unknown pre-tokenizer": changed(pre_tokenizer="(a+)+$"),
    "a pre-tokenizer that is no text": changed(pre_tokenizer=b"gpt2"),
    "a flag that is a number": changed(ignore_merges=1),
    "a space before words": changed(space_before=True),
    "characters without byte pieces": changed(pre_tokenizer=WHOLE),
    "a column that is no bytes": changed(types="x" * COUNT),
    "a column that is cut": changed(merges=MERGES[:-1]),
    "lengths that do not add up": changed(pieces=PAIRS.encode()),
    "too few types": changed(types=PAIRS.types[:-1]),
    "an unknown type": changed(types=b"\x07" + PAIRS.types[1:]),
    "a byte type": changed(types=b"\x06" + PAIRS.types[1:]),
    "a duplicate piece": with_piece(NORMAL - 1, PAIRS.pieces[NORMAL - 2]),
    "a control piece with the text of another": with_piece(COUNT - 1, PAIRS.pieces[COUNT - 2], PieceType.CONTROL),
    "a piece that is too long": with_piece(COUNT - 5, b"x" * (PIECE_BYTES_MAX + 1), PieceType.USER_DEFINED),
    "an empty piece": with_piece(COUNT - 1, b"", PieceType.CONTROL),
    "an unused piece with text": with_piece(COUNT - 1, b"x" * 9, PieceType.UNUSED),
    "a control piece that is no text": with_piece(COUNT - 1, b"\xff\xfe", PieceType.CONTROL),
    "a byte without a piece": with_piece(7, b"\7\7\7"),
    "a merge of an id out of range": changed(merges=MERGES + (b"\xff" * 8)),
    "a merge of a control piece": changed(merges=MERGES + np.array([0, COUNT - 1], "<u4").tobytes()),
    "a merge that gives no piece": changed(merges=MERGES + np.array([1, 2], "<u4").tobytes()),
    "a merge that is repeated": changed(merges=MERGES + MERGES[:8]),
    "a merge whose result is gone": with_piece(NORMAL - 1, b"other"),
    "nothing at all": changed(pieces=b"", lengths=b"", types=b"", merges=b""),
}


@pytest.mark.parametrize("name", BAD)
def test_damaged_data_is_refused(name: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        BytePairCodec(BAD[name])
    assert caught.value.code in ("vocabulary_damaged", "vocabulary_unsupported")


def test_too_many_user_defined_pieces_are_refused() -> None:
    own = tuple(b"<%d>" % number for number in range(USER_DEFINED_MAX + 1))
    with pytest.raises(TokenizerError, match="user-defined"):
        replace(PAIRS, pieces=PAIRS.pieces + own, types=PAIRS.types + bytes([PieceType.USER_DEFINED]) * len(own))


def test_longest_user_defined_piece_wins() -> None:
    tokens, merges = byte_pair_tokens(["ab"])
    own = ["<a", "<a>", "<a>b", "b<"]
    types = [PieceType.NORMAL] * len(tokens) + [PieceType.USER_DEFINED] * len(own)
    codec = BytePairCodec(byte_pairs([*tokens, *own], types, merges, "gpt2", False))
    first = len(tokens)
    b, a = codec.encode("ba", beginning=True)
    assert codec.encode("<a>b<a>b<ab<ab", beginning=True) == [first + 2, first + 2, first, first + 3, first - 1]
    assert codec.encode("<a>ab<a", beginning=True) == [first + 1, a, first + 3, a]
    assert codec.encode("b<", beginning=True) == [first + 3] and b != first + 3


def test_tokens_that_are_not_written_as_bytes_are_refused() -> None:
    tokens, merges = byte_pair_tokens(["ab"])
    types = [PieceType.NORMAL] * len(tokens)
    for bad_tokens, bad_merges in (([*tokens[:-1], "a b"], merges), (tokens, [("a", "zz")])):
        with pytest.raises(ConversionError) as caught:
            byte_pairs(bad_tokens, types, bad_merges, "gpt2", False)
        assert caught.value.code == "vocabulary"
