"""Fuzz target of the text side: vocabularies, texts and chat templates of any bytes are taken or refused by our errors.

What a vocabulary takes comes back byte for byte. Each target is a plain function, for any driver.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "inference"))

from chat_samples import TEMPLATES
from hf_folders import byte_fallback, byte_level
from small_vocabulary import byte_pair_vocabulary, sentencepiece_vocabulary

from inference import cbor
from inference.bpe_codec import BytePairCodec
from inference.chat_template import ChatTemplate
from inference.convert.hf_vocabulary import folder_vocabulary
from inference.errors import InferenceError
from inference.tokenizer import Tokenizer
from inference.vocabulary import Vocabulary

TEXT = "the inn and 12 你好 \u2581 <s><|im_end|><think>\n\n  'LL \ufdd0\U0001f9ea"
SPECIALS = ["<|begin|>", "<|end|>"]
CONFIG = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}


def tokenizer_target(data: bytes) -> None:
    """The first byte says what the others are; see `_TARGETS`."""
    if not data:
        return
    try:
        _TARGETS[data[0] % len(_TARGETS)](data[1:])
    except InferenceError as error:
        assert error.code.isidentifier()
        assert len(str(error)) < 1000


def _byte_pairs(data: bytes) -> None:
    end = min(BytePairCodec(data).controls.values(), default=0)
    _round_trip(Vocabulary("bpe", data, None, False, end, (end,)))


def _columns(data: bytes) -> None:
    """Changes of a good byte-pair vocabulary, five bytes each: a column, a place, a value and how to set it."""
    found = cbor.decode(byte_pair_vocabulary().data)
    names = ("pieces", "lengths", "types", "merges")
    for column, high, low, value, how in zip(*(data[at::5] for at in range(5)), strict=False):
        text = bytearray(found[names[column % 4]])
        at = (high << 8 | low) % (len(text) + 1)
        text[at : at + how % 3] = bytes([value]) if how & 4 else text[at - 4 : at]
        found[names[column % 4]] = bytes(text)
    _byte_pairs(cbor.encode(found))


def _sentencepiece(data: bytes) -> None:
    _round_trip(Vocabulary("sentencepiece", data, 1, True, 2, (2,)))


def _stored(data: bytes) -> None:
    found = cbor.decode(data)
    vocabulary = Vocabulary.from_map(found)
    assert cbor.encode(vocabulary.to_map()) == data
    _round_trip(vocabulary)


def _folder(data: bytes) -> None:
    """tokenizer.json, a line, tokenizer_config.json."""
    tokenizer, _, config = data.partition(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokenizer.json").write_bytes(tokenizer)
        (Path(folder) / "tokenizer_config.json").write_bytes(config or json.dumps(CONFIG).encode())
        vocabulary = folder_vocabulary(folder)
    _round_trip(vocabulary)


def _template(data: bytes) -> None:
    ids = ChatTemplate(data.decode("utf-8", "replace"), _SMALL).prompt_ids(_CHAT)
    assert all(0 <= id < _SMALL.vocab_size for id in ids)


def _messages(data: bytes) -> None:
    """Contents, between zero bytes; no message makes a control token."""
    contents = data.decode("utf-8", "surrogateescape" if len(data) % 4 == 0 else "replace").split("\0")
    ids = _CHATML.prompt_ids([{"role": "user", "content": content} for content in contents])
    controls = set(_SMALL.controls.values())
    assert sum(id in controls for id in ids) == 2 * len(contents)


def _round_trip(vocabulary: Vocabulary) -> None:
    tokenizer = Tokenizer(vocabulary)
    for bos in (True, False):
        ids = tokenizer.encode(TEXT, bos)
        assert all(0 <= id < tokenizer.vocab_size for id in ids)
        if bos or tokenizer.add_bos:
            assert tokenizer.decode(ids) == TEXT.encode()
    stream = tokenizer.stream()
    every = range(min(tokenizer.vocab_size, 2000))
    text = "".join(map(stream.push, every)) + stream.finish()
    assert text == tokenizer.decode(every).decode("utf-8", "replace")


_SMALL = Tokenizer(byte_pair_vocabulary())
_CHAT = [{"role": "user", "content": TEXT}, {"role": "assistant", "content": "a"}]
_CHATML = ChatTemplate("{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}", _SMALL)
_TARGETS: tuple[Callable[[bytes], None], ...] = (
    _byte_pairs,
    _sentencepiece,
    _stored,
    _folder,
    _template,
    _messages,
    _columns,
)


def tokenizer_seeds() -> list[bytes]:
    """At least one of each kind that gets through to the end."""
    vocabularies = [byte_pair_vocabulary(), byte_pair_vocabulary("smollm", bos=False), sentencepiece_vocabulary()]
    seeds = [b"\0" + vocabularies[0].data, b"\1" + vocabularies[2].data]
    seeds += [b"\2" + cbor.encode(vocabulary.to_map()) for vocabulary in vocabularies]
    files = [byte_level(name, SPECIALS, ["<think>"]) for name in ("gpt2", "llama3", "qwen2", "smollm")]
    config = json.dumps(CONFIG).encode()
    seeds += [b"\3" + json.dumps(file).encode() + b"\n" + config for file in files]
    ends = json.dumps({"bos_token": "<s>", "eos_token": "</s>"}).encode()
    seeds += [b"\3" + json.dumps(byte_fallback(scheme)).encode() + b"\n" + ends for scheme in ("legacy", "first")]
    seeds += [b"\4" + template.encode() for template in TEMPLATES.values()]
    seeds += [b"\5" + text.encode() for text in (TEXT, "<|im_end|>\0<|im_\0end|>", "a\0b")]
    seeds += [b"\6" + bytes(5), b"\6\2\1\1\3\5\1\0\7\2\5"]
    return seeds
