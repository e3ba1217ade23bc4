"""A tokenizer.json that was made from a sentencepiece model: Llama 2, TinyLlama, Mistral.

It lists merges by rank, where sentencepiece has a score for each piece; the two can differ. So it stays what it is: a
list of merges over characters, with a piece for each byte (`bpe_data.WHOLE`).
"""

from collections.abc import Mapping

from inference.convert.byte_pairs import character_pairs
from inference.convert.hf_byte_level import pairs_of, plain_bpe
from inference.convert.hf_tokens import AddedToken, Json, numbered_tokens
from inference.errors import ConversionError
from inference.pieces import PieceType
from inference.sentencepiece_model import SPACE, byte_piece

_TO_SPACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_PREPEND = {"type": "Prepend", "prepend": SPACE}
_BYTES = frozenset(map(byte_piece, range(256)))
_SCHEMES = {"first": (True, False), "always": (True, True), "never": (False, False)}


def space_rules(tokenizer: Json) -> tuple[bool, bool]:
    """Whether a space is put before a text, and whether one is put after each added token as well.

    Raises ConversionError (`unsupported`) for any other normaliser or pre-tokenizer.
    """
    match tokenizer.get("normalizer"), tokenizer.get("pre_tokenizer"):
        case {"type": "Sequence", "normalizers": list(steps)}, None if steps == [_PREPEND, _TO_SPACE]:
            return True, True
        case normalizer, None if normalizer == _TO_SPACE:
            return False, False
        case None, {"type": "Metaspace", "replacement": mark, "prepend_scheme": str(scheme), "split": False}:
            if mark == SPACE and scheme in _SCHEMES:
                return _SCHEMES[scheme]
    raise ConversionError(
        "unsupported", "tokenizer.json: its normalizer and pre_tokenizer are not those of a sentencepiece model"
    )


def byte_fallback_data(tokenizer: Json, added: Mapping[int, AddedToken], controls: set[int]) -> bytes:
    """The stored form of the vocabulary; `controls` are control pieces whatever the file says.

    Raises ConversionError (`vocabulary`, `unsupported`), TokenizerError as `BytePairs` does.
    """
    model = tokenizer["model"]
    if model.get("byte_fallback") is not True or model.get("ignore_merges"):
        raise ConversionError(
            "unsupported", "tokenizer.json: only merges of bytes, or of characters with byte fallback, are supported"
        )
    texts, types = numbered_tokens(plain_bpe(model), added, controls)
    types = [
        PieceType.BYTE if kind is PieceType.NORMAL and text in _BYTES else kind
        for text, kind in zip(texts, types, strict=True)
    ]
    return character_pairs(texts, types, pairs_of(model), space_rules(tokenizer)[0])
