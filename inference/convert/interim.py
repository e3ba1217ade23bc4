"""The text side as far as sentencepiece goes, until functions of these names do it for all kinds of vocabulary."""

from pathlib import Path
from typing import Any

import numpy as np

from inference.convert.gguf_container import Container
from inference.convert.gguf_metadata import Metadata
from inference.convert.sources import Source
from inference.convert.vocabulary import Piece, PieceType, sentencepiece_model
from inference.errors import ConversionError
from inference.vocabulary import Vocabulary


def sentencepiece_vocabulary(data: bytes, bos_id: int, eos_id: int, stop_ids: set[int]) -> Vocabulary:
    return Vocabulary("sentencepiece", data, bos_id, True, eos_id, tuple(sorted(stop_ids)))


def folder_vocabulary(folder: Path) -> Vocabulary:
    data = bytes(Source.open(folder / "tokenizer.model").data)
    return sentencepiece_vocabulary(data, 1, 2, {2})


def gguf_vocabulary(container: Container) -> Vocabulary:
    """The embedded vocabulary as a sentencepiece ModelProto; other kinds of tokenizer are refused."""
    metadata = Metadata(container, "tokenizer.ggml.")
    expected: dict[str, tuple[Any, ...]] = {
        "model": ("llama",),
        "pre": (None, "default", "llama"),
        "add_bos_token": (None, True),
        "remove_extra_whitespaces": (None, False),
        "precompiled_charsmap": (None,),
    }
    for key, values in expected.items():
        if metadata.get(key) not in values:
            raise ConversionError(
                "unsupported",
                f"{container.source.name}: {metadata.prefix}{key} = {ascii(metadata.get(key))[:60]}; "
                "only a sentencepiece vocabulary without normalisation is supported",
            )
    texts = metadata.array("tokens", str)
    scores = metadata.array("scores", np.float32)
    types = metadata.array("token_type", int)
    if not len(texts) == len(scores) == len(types) or not np.isfinite(scores).all():
        raise metadata.error("scores", "finite, one for each token")
    known = {kind.value for kind in PieceType}
    if not known.issuperset(types):
        raise metadata.error("token_type", "one of 1 to 6 for each token")
    pieces = [
        Piece(text, float(score), PieceType(kind)) for text, score, kind in zip(texts, scores, types, strict=True)
    ]
    bos_id, eos_id = metadata.integer("bos_token_id", 1), metadata.integer("eos_token_id", 2)
    data = sentencepiece_model(
        pieces,
        unk_id=metadata.integer("unknown_token_id", 0),
        bos_id=bos_id,
        eos_id=eos_id,
        space_before=metadata.get("add_space_prefix", True) is not False,
    )
    return sentencepiece_vocabulary(data, bos_id, eos_id, {eos_id})
