"""Byte-pair vocabularies in the ways that their files write them, to the form that we store.

GPT-2 wrote each byte as one printable character, and so does everybody after; those that come from sentencepiece write
texts, with U+2581 for a space.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from inference.bpe_data import WHOLE, BytePairs
from inference.errors import ConversionError
from inference.pieces import PieceType
from inference.sentencepiece_model import SPACE

_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]


def _alphabet() -> dict[str, int]:
    """Printable bytes of Latin-1 stand for themselves, the others for U+0100 and so on, in order."""
    rest = [value for value in range(256) if value not in _PRINTABLE]
    return {chr(value): value for value in _PRINTABLE} | {chr(0x100 + at): value for at, value in enumerate(rest)}


BYTE_OF = _alphabet()


def byte_pairs(
    tokens: Sequence[str],
    types: Sequence[PieceType],
    merges: Iterable[tuple[str, str]],
    pre_tokenizer: str,
    ignore_merges: bool,
) -> bytes:
    """The stored form of a vocabulary: normal tokens and merges in the alphabet of bytes, others as plain text.

    Raises ConversionError (`vocabulary`) for tokens that cannot be that, TokenizerError as `BytePairs` does.
    """
    return _stored(tokens, types, merges, pre_tokenizer, ignore_merges, False)


def character_pairs(
    tokens: Sequence[str], types: Sequence[PieceType], merges: Iterable[tuple[str, str]], space_before: bool
) -> bytes:
    """The same where normal tokens are texts with U+2581 for a space, and each byte has a token of its own."""
    return _stored(tokens, types, merges, WHOLE, False, space_before)


def _stored(
    tokens: Sequence[str],
    types: Sequence[PieceType],
    merges: Iterable[tuple[str, str]],
    pre_tokenizer: str,
    ignore_merges: bool,
    space_before: bool,
) -> bytes:
    ids = {token: id for id, (token, kind) in enumerate(zip(tokens, types, strict=True)) if kind is PieceType.NORMAL}
    pieces = [
        _piece(id, token, kind, pre_tokenizer == WHOLE)
        for id, (token, kind) in enumerate(zip(tokens, types, strict=True))
    ]
    pairs: list[tuple[int, int]] = []
    for rank, (left, right) in enumerate(merges):
        if left not in ids or right not in ids:
            raise ConversionError("vocabulary", f"vocabulary: merge {rank} is of tokens that do not exist")
        pairs.append((ids[left], ids[right]))
    columns = np.array(pairs, np.uint32).reshape(-1, 2)
    return BytePairs(pre_tokenizer, ignore_merges, space_before, tuple(pieces), bytes(types), columns).encode()


def _piece(id: int, token: str, kind: PieceType, whole: bool) -> bytes:
    try:
        if kind is PieceType.UNUSED:
            return b""
        if kind is PieceType.BYTE:
            return bytes([int(token[3:5], 16)])
        if kind is PieceType.NORMAL:
            return token.replace(SPACE, " ").encode("utf-8") if whole else bytes(BYTE_OF[char] for char in token)
        return token.encode("utf-8")
    except (KeyError, ValueError):
        raise ConversionError("vocabulary", f"vocabulary: token {id} is not written as bytes or text") from None
