"""Held-out texts as rows that begin with BOS, for whoever measures: torch, NumPy or the integer engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference.training.tokenizer import BOS_ID

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor


def heads(texts: list[str], tokenizer: SentencePieceProcessor, seq_len: int) -> list[list[int]]:
    """Each text as BOS + its first seq_len tokens; one row a text."""
    return [[BOS_ID, *ids][: seq_len + 1] for ids in tokenizer.encode(texts)]


def windows(texts: list[str], tokenizer: SentencePieceProcessor, seq_len: int) -> list[list[int]]:
    """Long texts whole: consecutive pieces of seq_len tokens, each after its own BOS."""
    rows = []
    for ids in tokenizer.encode(texts):
        rows += [[BOS_ID, *ids[i : i + seq_len]] for i in range(0, len(ids), seq_len)]
    return rows


def bytes_of(row: list[int], tokenizer: SentencePieceProcessor) -> int:
    """UTF-8 bytes of the text that a row's ids after the first stand for."""
    return len(tokenizer.decode(row[1:]).encode())
