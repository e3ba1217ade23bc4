"""A small sentencepiece vocabulary: three control pieces, the bytes, a space and the letters, and a few merges."""

from inference.convert.vocabulary import SPACE, Piece, PieceType, byte_piece, sentencepiece_model

MERGES = ["th", "the", f"{SPACE}the", "an", "and", f"{SPACE}and", "in", "ing", "er", "on", f"{SPACE}a", "st", "ou"]
SIZE = 3 + 256 + len(MERGES) + 27


def small_vocabulary() -> bytes:
    """A ModelProto. UNK, BOS and EOS are 0, 1 and 2."""
    pieces = [Piece(text, 0, PieceType.NORMAL) for text in ("<unk>", "<s>", "</s>")]
    pieces += [Piece(byte_piece(value), 0, PieceType.BYTE) for value in range(256)]
    for rank, text in enumerate([*MERGES, SPACE, *map(chr, range(ord("a"), ord("z") + 1))]):
        pieces.append(Piece(text, -rank, PieceType.NORMAL))
    return sentencepiece_model(pieces, unk_id=0, bos_id=1, eos_id=2)
