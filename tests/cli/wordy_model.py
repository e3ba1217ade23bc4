"""The tiny model with a vocabulary of words: its outputs mean nothing, but they can be quoted and looked up."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from inference.convert.vocabulary import SPACE, Piece, PieceType, byte_piece, sentencepiece_model
from tests.inference.small_vocabulary import sentencepiece_vocabulary
from tests.inference.tiny_model import CONFIG, PROVENANCE, TinyModel, tiny_model, write_model

VOCABULARY = """
    the a and but so then little old brave green moon river fox girl boy stone garden window story bread ran sang found
    lost gave kept saw dreamed under over beside into quietly slowly never always happy cold bright
"""
WORDS = VOCABULARY.split()
FIRST_WORD = 3 + 256 + 1  # after three control pieces, the bytes and a lone space


def write_wordy(path: Path) -> bytes:
    """Write the model and return its root. It never ends by itself and says nothing but words: the logits of all else
    are 0, and a head four times as loud leaves them no chance. Nor does it stay with one word, as the tiny model does,
    whose head resembles its embedding: a passage of one word is nobody's."""
    tiny = tiny_model()
    loud = np.random.default_rng(0).integers(1, 256, tiny.tensors["head"].shape, np.uint8)
    head = np.where(tiny.tensors["head"] == 128, np.uint8(128), loud)  # padding is zero
    head[: FIRST_WORD // 16] = 128
    head[FIRST_WORD // 16, :, : FIRST_WORD % 16] = 128
    config = replace(CONFIG, name="wordy", context_tokens=256)
    pieces = [Piece(text, 0, PieceType.NORMAL) for text in ("<unk>", "<s>", "</s>")]
    pieces += [Piece(byte_piece(value), 0, PieceType.BYTE) for value in range(256)]
    pieces.append(Piece(SPACE, 0, PieceType.NORMAL))
    pieces += [Piece(SPACE + word, -rank, PieceType.NORMAL) for rank, word in enumerate(WORDS)]
    assert len(pieces) == config.vocab_size
    exponents = tiny.exponents | {"head": tiny.exponents["head"] - 2}
    model = TinyModel(config, tiny.tensors | {"head": head}, exponents)
    data = sentencepiece_model(pieces, unk_id=0, bos_id=1, eos_id=2)
    vocabulary = replace(sentencepiece_vocabulary(), data=data)
    return write_model(path, model, vocabulary, None, PROVENANCE)
