"""Small vocabularies of both kinds, made by code: the same on every machine."""

from itertools import pairwise

from inference.convert.byte_pairs import BYTE_OF, byte_pairs
from inference.convert.vocabulary import SPACE, Piece, PieceType, byte_piece, sentencepiece_model
from inference.vocabulary import Vocabulary

MERGES = ["th", "the", f"{SPACE}the", "an", "and", f"{SPACE}and", "in", "ing", "er", "on", f"{SPACE}a", "st", "ou"]
SIZE = 3 + 256 + len(MERGES) + 27

CHAT_CONTROLS = ("<|begin|>", "<|end|>", "<|im_start|>", "<|im_end|>")
OWN = "<think>"  # a user-defined piece of the byte-pair vocabulary


def small_vocabulary() -> bytes:
    """A ModelProto. UNK, BOS and EOS are 0, 1 and 2."""
    pieces = [Piece(text, 0, PieceType.NORMAL) for text in ("<unk>", "<s>", "</s>")]
    pieces += [Piece(byte_piece(value), 0, PieceType.BYTE) for value in range(256)]
    for rank, text in enumerate([*MERGES, SPACE, *map(chr, range(ord("a"), ord("z") + 1))]):
        pieces.append(Piece(text, -rank, PieceType.NORMAL))
    return sentencepiece_model(pieces, unk_id=0, bos_id=1, eos_id=2)


def sentencepiece_vocabulary() -> Vocabulary:
    return Vocabulary("sentencepiece", small_vocabulary(), 1, True, 2, (1, 2), True)


def byte_pair_vocabulary(pre_tokenizer: str = "llama3", bos: bool = True) -> Vocabulary:
    """256 bytes, a few words, one user-defined piece, an unused id, then the controls; no BOS without `bos`."""
    tokens, merges = byte_pair_tokens(["the", " the", "and", " and", "ing", "你", "  ", "<|", "|>", "im", "12"])
    count = len(tokens)
    types = [PieceType.NORMAL] * count + [PieceType.USER_DEFINED, PieceType.UNUSED] + [PieceType.CONTROL] * 4
    data = byte_pairs([*tokens, OWN, "", *CHAT_CONTROLS], types, merges, pre_tokenizer, False)
    begin, end, im_end = count + 2, count + 3, count + 5
    return Vocabulary("bpe", data, begin if bos else None, bos, im_end if not bos else end, (end, im_end))


def byte_pair_tokens(words: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """All bytes, and what merging each word from the left makes, in the alphabet of bytes; and the merges."""
    char_of = {value: char for char, value in BYTE_OF.items()}
    tokens = [char_of[value] for value in range(256)]
    merges: list[tuple[str, str]] = []
    for word in words:
        chars = [char_of[value] for value in word.encode()]
        for size, _ in pairwise(range(1, len(chars) + 1)):
            left, right = "".join(chars[:size]), chars[size]
            if left + right not in tokens:
                tokens.append(left + right)
                merges.append((left, right))
    return tokens, merges
