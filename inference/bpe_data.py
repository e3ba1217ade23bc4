"""What is stored of a byte-pair vocabulary: deterministic CBOR of a few plain columns (SPEC.md, "Tokenizer").

No tokenizer.json is stored, because it may hold any regular expression or normaliser. Here is only what a known
pre-tokenizer and the merge rule need; everything is checked before anything is made of it.
"""

import re
from dataclasses import dataclass
from operator import add

import numpy as np
from numpy.typing import NDArray

from inference import cbor
from inference.bpe_words import PRE_TOKENIZERS
from inference.errors import ModelFileError, TokenizerError
from inference.pieces import PIECE_BYTES_MAX, PIECES_MAX, PieceType

MERGES_MAX = 1 << 20
USER_DEFINED_MAX = 1024
WHOLE = "none"  # instead of a pre-tokenizer: a text is merged as a whole, beginning with characters, not bytes

_KEYS = {"pre_tokenizer", "ignore_merges", "space_before", "pieces", "lengths", "types", "merges"}
_TYPES = {PieceType.NORMAL, PieceType.CONTROL, PieceType.USER_DEFINED, PieceType.UNUSED}


_BYTE_NAME = re.compile(rb"<0x[0-9A-F]{2}>")


@dataclass(frozen=True, slots=True)
class BytePairs:
    """A checked byte-pair vocabulary. Raises TokenizerError (`vocabulary_damaged`, `vocabulary_unsupported`)."""

    pre_tokenizer: str  # one of PRE_TOKENIZERS, or WHOLE
    ignore_merges: bool  # a word that is a piece is that piece, whatever its merges would give
    space_before: bool  # a space is put before a text
    pieces: tuple[bytes, ...]  # by id; empty where the piece is unused
    types: bytes  # one PieceType for each
    merges: NDArray[np.uint32]  # (n, 2): ids of a left and a right piece; the first ones go first

    def __post_init__(self) -> None:
        whole = self.pre_tokenizer == WHOLE
        if self.pre_tokenizer not in (*PRE_TOKENIZERS, WHOLE):
            raise _damaged(f"the pre-tokenizer must be one of {', '.join((*PRE_TOKENIZERS, WHOLE))}")
        if type(self.ignore_merges) is not bool or type(self.space_before) is not bool:
            raise _damaged("ignore_merges and space_before must be true or false")
        if self.ignore_merges if whole else self.space_before:
            raise _damaged(
                "only words may be pieces whatever their merges, and a space be put only before a whole text"
            )
        if len(self.types) != len(self.pieces) or len(self.pieces) > PIECES_MAX or len(self.merges) > MERGES_MAX:
            raise _damaged(f"at most {PIECES_MAX} pieces with one type each, and at most {MERGES_MAX} merges")
        if not set(self.types) <= (_TYPES | {PieceType.BYTE} if whole else _TYPES):
            raise _damaged("a piece has a type that is not known")
        if self.types.count(PieceType.USER_DEFINED) > USER_DEFINED_MAX:
            raise _damaged(f"more than {USER_DEFINED_MAX} user-defined pieces")
        _check_pieces(self.pieces, self.types, whole)
        _check_bytes(self.pieces, self.types, whole)
        if self.space_before and (b" ", PieceType.NORMAL) not in zip(self.pieces, self.types, strict=True):
            raise _damaged("a space is put before a text, but no piece is one")
        _check_merges(self.pieces, self.types, self.merges)

    def ids(self, kind: PieceType) -> list[int]:
        """Ids of a type, ascending."""
        return np.flatnonzero(np.frombuffer(self.types, np.uint8) == kind).tolist()

    def encode(self) -> bytes:
        lengths = np.array([len(piece) for piece in self.pieces], "<u2")
        return cbor.encode(
            {
                "pre_tokenizer": self.pre_tokenizer,
                "ignore_merges": self.ignore_merges,
                "space_before": self.space_before,
                "pieces": b"".join(self.pieces),
                "lengths": lengths.tobytes(),
                "types": self.types,
                "merges": self.merges.astype("<u4").tobytes(),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> "BytePairs":
        try:
            found = cbor.decode(data)
        except ModelFileError as error:
            raise _damaged(str(error).removeprefix("model directory: ")) from None
        if type(found) is not dict or found.keys() != _KEYS:
            raise _damaged(f"its keys must be exactly {', '.join(sorted(_KEYS))}")
        columns = [found[key] for key in ("pieces", "lengths", "types", "merges")]
        if type(found["pre_tokenizer"]) is not str or any(type(column) is not bytes for column in columns):
            raise _damaged("the pre-tokenizer must be a text, and the columns bytes")
        text, lengths, types, merges = columns
        if len(lengths) % 2 or len(merges) % 8:
            raise _damaged("a column is cut")
        ends = np.cumsum(np.frombuffer(lengths, "<u2"), dtype=np.int64).tolist()
        if (ends[-1] if ends else 0) != len(text):
            raise _damaged("the lengths of the pieces do not add up")
        pieces = tuple(text[start:end] for start, end in zip([0, *ends], ends, strict=False))
        pairs = np.frombuffer(merges, "<u4").reshape(-1, 2)
        return cls(found["pre_tokenizer"], found["ignore_merges"], found["space_before"], pieces, types, pairs)


def _check_pieces(pieces: tuple[bytes, ...], types: bytes, whole: bool) -> None:
    """No piece is empty, too long or there twice; those that are not made of bytes are UTF-8."""
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    kinds = np.frombuffer(types, np.uint8)
    if ((lengths == 0) != (kinds == PieceType.UNUSED)).any():
        raise _damaged("a piece is empty, or unused and not empty")
    if len(pieces) and lengths.max() > PIECE_BYTES_MAX:
        raise _damaged(f"piece {lengths.argmax()} has {lengths.max()} bytes, at most {PIECE_BYTES_MAX} are taken")
    named = np.flatnonzero((kinds != PieceType.UNUSED) & (kinds != PieceType.BYTE)).tolist()
    if len({pieces[id] for id in named}) != len(named):
        seen: set[bytes] = set()
        for id in named:
            if pieces[id] in seen:
                raise _damaged(f"piece {id} repeats an earlier one")
            seen.add(pieces[id])
    for id in named if whole else np.flatnonzero(kinds != PieceType.NORMAL).tolist():
        if not _is_text(pieces[id]):
            raise _damaged(f"piece {id} is not UTF-8")
        if whole and _BYTE_NAME.fullmatch(pieces[id]):
            raise _damaged(f"piece {id} has the name of a byte")


def _check_bytes(pieces: tuple[bytes, ...], types: bytes, whole: bool) -> None:
    """Each byte has its piece, so that every text has ids."""
    kind = PieceType.BYTE if whole else PieceType.NORMAL
    ids = np.flatnonzero(np.frombuffer(types, np.uint8) == kind).tolist()
    found = sorted(pieces[id] for id in ids if whole or len(pieces[id]) == 1)
    if found != [bytes([value]) for value in range(256)]:
        raise TokenizerError(
            "vocabulary_unsupported", "vocabulary: it has no piece for each byte, and could not encode every text"
        )


def _check_merges(pieces: tuple[bytes, ...], types: bytes, merges: NDArray[np.uint32]) -> None:
    normal = np.frombuffer(types, np.uint8) == PieceType.NORMAL
    if merges.size and (merges.max() >= len(pieces) or not normal[merges].all()):
        raise _damaged("a merge of ids that are no normal pieces")
    texts = {pieces[id] for id in np.flatnonzero(normal).tolist()}
    columns = (map(pieces.__getitem__, merges[:, side].tolist()) for side in (0, 1))
    if not texts.issuperset(map(add, *columns)):
        raise _damaged("a merge does not give a piece")
    pairs = np.sort(merges[:, 0].astype(np.uint64) << np.uint64(32) | merges[:, 1])
    if (pairs[1:] == pairs[:-1]).any():
        raise _damaged("a merge is repeated")


def _is_text(piece: bytes) -> bool:
    try:
        piece.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _damaged(what: str) -> TokenizerError:
    return TokenizerError("vocabulary_damaged", f"vocabulary: {what}")
