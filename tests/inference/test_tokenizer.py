"""Every text comes back byte for byte, in one piece and as a stream, whatever kind of vocabulary."""

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from small_vocabulary import CHAT_CONTROLS, OWN, byte_pair_vocabulary, sentencepiece_vocabulary, small_vocabulary

from inference.convert.gguf_container import read_container
from inference.convert.llama2c_vocabulary import llama2c_vocabulary
from inference.convert.sentencepiece_writer import PieceType, with_pieces
from inference.convert.sources import Source
from inference.convert.vocabulary import gguf_vocabulary
from inference.errors import TokenizerError
from inference.sentencepiece_model import SentencePieceModel
from inference.tokenizer import TEXT_BYTES_MAX, Tokenizer
from inference.vocabulary import Vocabulary

SMALL = {
    "sentencepiece": Tokenizer(sentencepiece_vocabulary()),
    "bytes": Tokenizer(byte_pair_vocabulary()),
    "bytes without BOS": Tokenizer(byte_pair_vocabulary("smollm", bos=False)),
}
TINY = SMALL["sentencepiece"]
REAL = ("stories260K_tok512.model", "mistral_v1_tokenizer.model", "ggml-vocab-gpt-2.gguf", "ggml-vocab-phi-3.gguf")

TEXTS = [
    "",
    " ",
    "  ",
    "a",
    " a",
    "a ",
    "  two  spaces  ",
    "\n",
    "line\r\nline\n\n\ttab",
    "\0",
    "你好，世界",
    "日本語 한국어",
    "🧪👩‍👩‍👧‍👦🏳️‍🌈",
    "zero\u200bwidth\u200d\ufeff\u2060",
    "\ufeff",
    "Å A\u030a ﬁ ① ½ ﷺ",
    "\u2581",
    "\u2581a \u2581 a\u2581",
    " \u2581",
    "<s></s><unk><0x41>",
    "<|im_start|><|im_end|><think></think>",
    "\u202eright to left\u202c",
    "\U0010ffff\ufffd\ufffe",
    "the and thing ing 12345 I'LL don't 'ſ",
]


@pytest.fixture(params=(*SMALL, *REAL))
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param in SMALL:
        return SMALL[request.param]
    return real(request.getfixturevalue("shared_data") / "models", request.param)


@cache
def real(folder: Path, name: str) -> Tokenizer:
    if name.endswith(".gguf"):
        return Tokenizer(gguf_vocabulary(read_container(Source.open(folder / "llama_cpp_vocab" / name))))
    return Tokenizer(llama2c_vocabulary(Source.open(folder / name)))


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_text_comes_back(text: str, tokenizer: Tokenizer) -> None:
    for bos in (True, False):
        ids = tokenizer.encode(text, bos)
        assert (ids[:1] == [tokenizer.bos_id]) == (bos and tokenizer.add_bos)
        assert tokenizer.decode(ids) == text.encode()


@pytest.mark.parametrize("kind", SMALL)
@given(text=st.text())
def test_any_text_comes_back(kind: str, text: str) -> None:
    assert SMALL[kind].decode(SMALL[kind].encode(text)) == text.encode()
    assert SMALL[kind].decode(SMALL[kind].encode(text, bos=False)) == text.encode()


@pytest.mark.parametrize("kind", SMALL)
@given(start=st.text(), rest=st.text())
def test_continuation_joins_its_beginning(kind: str, start: str, rest: str) -> None:
    tokenizer = SMALL[kind]
    ids = tokenizer.encode(start)
    continuation = tokenizer.encode(rest, bos=False)
    # Directly after BOS a piece that begins with a space means the space put before a text.
    if start or not rest.startswith(" ") or kind != "sentencepiece":
        assert tokenizer.decode(ids + continuation) == (start + rest).encode()
    if ids:
        assert tokenizer.decode(ids) + tokenizer.decode(continuation, ids[-1]) == tokenizer.decode(ids + continuation)


@pytest.mark.parametrize("kind", SMALL)
@settings(max_examples=50)
@given(data=st.data())
def test_stream_gives_the_same_text_as_decoding_at_once(kind: str, data: st.DataObject) -> None:
    tokenizer = SMALL[kind]
    some_id = st.integers(0, tokenizer.vocab_size - 1)
    ids, previous = data.draw(st.lists(some_id)), data.draw(st.none() | some_id)
    stream = tokenizer.stream(previous)
    text = "".join(map(stream.push, ids)) + stream.finish()
    assert text == tokenizer.decode(ids, previous).decode("utf-8", "replace")


def test_stream_never_ends_inside_a_character() -> None:
    text = "a🧪é你\u200b"
    stream = TINY.stream(TINY.bos_id)
    deltas = [stream.push(id) for id in TINY.encode(text)[1:]]
    assert "".join(deltas) == text
    assert "" in deltas
    assert all("\ufffd" not in delta for delta in deltas)
    assert stream.finish() == ""


def test_cut_character_becomes_one_replacement_at_the_end() -> None:
    stream = TINY.stream()
    assert [stream.push(id) for id in TINY.encode("你", bos=False)[:2]] == ["", ""]
    assert stream.finish() == "\ufffd"


@pytest.mark.parametrize("kind", SMALL)
def test_control_pieces_have_no_bytes_and_come_from_no_text(kind: str) -> None:
    tokenizer = SMALL[kind]
    controls = tokenizer.controls
    assert set(controls) == ({"<s>", "</s>"} if kind == "sentencepiece" else set(CHAT_CONTROLS))
    assert tokenizer.decode(controls.values()) == b""
    assert not set(tokenizer.encode("".join(controls), bos=False)) & set(controls.values())


def test_user_defined_pieces_are_found_in_a_text() -> None:
    tokenizer = SMALL["bytes"]
    ids = tokenizer.encode(f"a{OWN}{OWN}b", bos=False)
    assert len(ids) == 4 and ids[1] == ids[2]
    assert tokenizer.decode(ids[1:2]) == OWN.encode()


def test_id_out_of_the_vocabulary_is_refused() -> None:
    for tokenizer in SMALL.values():
        for id in (-1, tokenizer.vocab_size, 1 << 40):
            with pytest.raises(TokenizerError) as caught:
                tokenizer.decode([id])
            assert caught.value.code == "id_out_of_range"


@pytest.mark.parametrize("vocabulary", [sentencepiece_vocabulary(), byte_pair_vocabulary()], ids=["sp", "bpe"])
def test_ids_without_a_piece_are_valid_and_have_no_bytes(vocabulary: Vocabulary) -> None:
    pieces = Tokenizer(vocabulary).vocab_size
    padded = Tokenizer(vocabulary, rows=pieces + 9)
    assert padded.vocab_size == pieces + 9
    assert padded.decode(range(pieces, pieces + 9)) == b""
    assert padded.encode("the 你") == Tokenizer(vocabulary, rows=pieces).encode("the 你")
    with pytest.raises(TokenizerError) as caught:
        Tokenizer(vocabulary, rows=pieces - 1)
    assert caught.value.code == "vocabulary_mismatch"


@pytest.mark.parametrize("text", ["n", "ing", "\u2581the"])
def test_text_of_an_unused_piece_goes_through_others(text: str) -> None:
    model = SentencePieceModel.decode(small_vocabulary())
    pieces = [piece._replace(type=PieceType.UNUSED) if piece.text == text else piece for piece in model.pieces]
    tokenizer = Tokenizer(replace(sentencepiece_vocabulary(), data=with_pieces(model, pieces)))
    ids = tokenizer.encode("the inn is singing")
    assert tokenizer.decode(ids) == b"the inn is singing"
    assert pieces.index(next(piece for piece in pieces if piece.text == text)) not in ids


def test_bos_and_stops_must_be_control_pieces() -> None:
    for change in ({"bos_id": 5}, {"stop_ids": (2, 5)}, {"stop_ids": (2, 5_000)}, {"bos_id": 5_000}):
        with pytest.raises(TokenizerError) as caught:
            Tokenizer(replace(sentencepiece_vocabulary(), **change))
        assert caught.value.code == "vocabulary_mismatch"


def test_vocabulary_that_puts_a_space_but_no_bos_begins_at_nothing() -> None:
    tokenizer = Tokenizer(replace(sentencepiece_vocabulary(), add_bos=False))
    ids = tokenizer.encode("the inn")
    assert ids[0] not in tokenizer.controls.values()
    assert tokenizer.decode(ids) == b"the inn"
    assert tokenizer.encode("") == []


def test_rendered_text_begins_after_control_pieces_if_the_vocabulary_says_so() -> None:
    spaced, plain = TINY, Tokenizer(replace(sentencepiece_vocabulary(), space_after_control=False))
    (the,) = TINY.encode(" the", bos=False)
    (bare,) = TINY.encode("the", bos=False)
    parts = ["the", 2, "the", "", 1, "the"]
    assert spaced.encode_rendered(parts) == (the, 2, the, 1, the)
    assert plain.encode_rendered(parts) == (the, 2, bare, 1, bare)
    assert spaced.decode((the, 2, the, 1, the)) == b" thethethe"
    assert spaced.encode_rendered([]) == ()


def test_digest_names_everything_that_is_stored() -> None:
    vocabulary = sentencepiece_vocabulary()
    others = [{"stop_ids": (2,)}, {"add_bos": False}, {"space_after_control": False}, {"eos_id": 1}]
    digests = {Tokenizer(replace(vocabulary, **change)).digest for change in [{}, *others]}
    assert len(digests) == 5


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d \udd2c"], ids=ascii)
def test_lone_surrogates_are_refused(text: str) -> None:
    for tokenizer in SMALL.values():
        for encode in (tokenizer.encode, lambda text, t=tokenizer: t.encode_rendered([text])):
            with pytest.raises(TokenizerError) as caught:
                encode(text)
            assert caught.value.code == "not_unicode"


def test_long_texts_are_refused_before_they_are_tokenized() -> None:
    for text in ("a" * (TEXT_BYTES_MAX + 1), "你" * (TEXT_BYTES_MAX // 3 + 1), "a" * 10_000_000):
        with pytest.raises(TokenizerError) as caught:
            TINY.encode(text)
        assert caught.value.code == "text_too_long"


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("unit", [" ", "a", "\n", "1", "你", "!", " \n", "'", "<|"], ids=ascii)
def test_longest_texts_of_one_kind_of_character_take_no_long_time(kind: str, unit: str) -> None:
    text = unit * (TEXT_BYTES_MAX // len(unit.encode()))
    assert SMALL[kind].decode(SMALL[kind].encode(text)) == text.encode()


def test_ids_are_those_the_real_model_was_trained_with(shared_data: Path) -> None:
    tokenizer = Tokenizer(llama2c_vocabulary(Source.open(shared_data / "models" / REAL[0])))
    assert tokenizer.encode("Once upon a time") == [1, 403, 407, 261, 378]


@pytest.mark.parametrize("data", [b"x", b"\xff" * 100, small_vocabulary()[:-20], small_vocabulary()[100:]])
def test_damaged_vocabulary_is_refused(data: bytes) -> None:
    for kind in ("sentencepiece", "bpe"):
        with pytest.raises(TokenizerError) as caught:
            Tokenizer(Vocabulary(kind, data, 1, True, 2, (2,)))
        assert caught.value.code in ("vocabulary_damaged", "vocabulary_unsupported")


@pytest.mark.parametrize("vocabulary", [sentencepiece_vocabulary(), byte_pair_vocabulary()], ids=["sp", "bpe"])
def test_vocabulary_with_flipped_bytes_is_refused_or_still_exact(vocabulary: Vocabulary) -> None:
    choose = random.Random(2)
    for at in range(0, len(vocabulary.data), 7):
        data = bytearray(vocabulary.data)
        data[at] ^= 1 << choose.randrange(8)
        try:
            tokenizer = Tokenizer(replace(vocabulary, data=bytes(data)))
        except TokenizerError:
            continue
        for text in TEXTS:
            assert tokenizer.decode(tokenizer.encode(text)) == text.encode()


def test_vocabulary_that_normalises_is_refused(tmp_path: Path) -> None:
    """sentencepiece's own default, NFKC, would turn one text into another."""
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the cat sat on the mat\n" * 50)
    prefix = str(tmp_path / "nfkc")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=prefix,
        model_type="bpe",
        vocab_size=300,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    with pytest.raises(TokenizerError) as caught:
        llama2c_vocabulary(Source.open(prefix + ".model"))
    assert caught.value.code == "vocabulary_unsupported"
