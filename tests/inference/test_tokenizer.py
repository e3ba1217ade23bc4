"""Every text comes back byte for byte, in one piece and as a stream."""

import random
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_model import tiny_vocabulary

from inference.errors import TokenizerError
from inference.tokenizer import TEXT_BYTES_MAX, Tokenizer

TINY = Tokenizer(tiny_vocabulary())
REAL = ("stories260K_tok512.model", "mistral_v1_tokenizer.model")

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
    "\u202eright to left\u202c",
    "\U0010ffff\ufffd\ufffe",
    "the and thing ing",
]


@pytest.fixture(params=("tiny", *REAL))
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param == "tiny":
        return TINY
    folder: Path = request.getfixturevalue("shared_data")
    return Tokenizer((folder / "models" / request.param).read_bytes())


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_text_comes_back(text: str, tokenizer: Tokenizer) -> None:
    for bos in (True, False):
        ids = tokenizer.encode(text, bos)
        assert (ids[:1] == [tokenizer.bos_id]) == bos
        assert tokenizer.decode(ids) == text.encode()


@given(st.text())
def test_any_text_comes_back(text: str) -> None:
    assert TINY.decode(TINY.encode(text)) == text.encode()
    assert TINY.decode(TINY.encode(text, bos=False)) == text.encode()


@given(st.text(), st.text())
def test_continuation_joins_its_beginning(start: str, rest: str) -> None:
    ids = TINY.encode(start)
    continuation = TINY.encode(rest, bos=False)
    # Directly after BOS a piece that begins with a space means the space put before a text.
    if start or not rest.startswith(" "):
        assert TINY.decode(ids + continuation) == (start + rest).encode()
    assert TINY.decode(ids) + TINY.decode(continuation, ids[-1]) == TINY.decode(ids + continuation)


@settings(max_examples=50)
@given(st.lists(st.integers(0, TINY.vocab_size - 1)), st.none() | st.integers(0, TINY.vocab_size - 1))
def test_stream_gives_the_same_text_as_decoding_at_once(ids: list[int], previous: int | None) -> None:
    stream = TINY.stream(previous)
    text = "".join(map(stream.push, ids)) + stream.finish()
    assert text == TINY.decode(ids, previous).decode("utf-8", "replace")


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


def test_control_pieces_have_no_bytes() -> None:
    assert TINY.decode([TINY.bos_id, TINY.eos_id]) == b""


def test_id_out_of_the_vocabulary_is_refused() -> None:
    for id in (-1, TINY.vocab_size, 1 << 40):
        with pytest.raises(TokenizerError) as caught:
            TINY.decode([id])
        assert caught.value.code == "id_out_of_range"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d \udd2c"], ids=ascii)
def test_lone_surrogates_are_refused(text: str) -> None:
    with pytest.raises(TokenizerError) as caught:
        TINY.encode(text)
    assert caught.value.code == "not_unicode"


def test_long_texts_are_refused_before_they_are_tokenized() -> None:
    for text in ("a" * (TEXT_BYTES_MAX + 1), "你" * (TEXT_BYTES_MAX // 3 + 1), "a" * 10_000_000):
        with pytest.raises(TokenizerError) as caught:
            TINY.encode(text)
        assert caught.value.code == "text_too_long"


def test_ids_are_those_the_real_model_was_trained_with(shared_data: Path) -> None:
    tokenizer = Tokenizer((shared_data / "models" / REAL[0]).read_bytes())
    assert tokenizer.encode("Once upon a time") == [1, 403, 407, 261, 378]


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 100, tiny_vocabulary()[:-20], tiny_vocabulary()[100:]])
def test_damaged_vocabulary_is_refused(data: bytes) -> None:
    with pytest.raises(TokenizerError) as caught:
        Tokenizer(data)
    assert caught.value.code in ("vocabulary_damaged", "vocabulary_unsupported")


def test_vocabulary_with_flipped_bytes_is_refused_or_still_exact() -> None:
    intact = tiny_vocabulary()
    choose = random.Random(2)
    for at in range(0, len(intact), 23):
        data = bytearray(intact)
        data[at] ^= 1 << choose.randrange(8)
        try:
            tokenizer = Tokenizer(bytes(data))
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
        Tokenizer(Path(prefix + ".model").read_bytes())
    assert caught.value.code == "vocabulary_unsupported"
