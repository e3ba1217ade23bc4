"""Corpus files to token sequences: one story is BOS + tokens + EOS.

Training reads the two files of TRAIN_FILES and no others; the held-out files have
their own names here and only the evaluation takes them.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

STORY_END = "<|endoftext|>"
BOOK_END = "<|endofbook|>"
TRAIN_FILES = ("tinystories_train_en.txt", "tinystories_train_extra_truecased_en.txt")
HELDOUT_STORIES = "tinystories_heldout_en.txt"
HELDOUT_BOOKS = "heldout_books_en.txt"

# Rows of one batch are padded to a multiple of this, so few shapes occur.
LENGTH_STEP = 32


class CorpusMissing(Exception):
    """A corpus file is not where the command line said; the message says what to do."""


def read_corpus(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CorpusMissing(
            f"no corpus file {folder / name}: name the folder that holds it with --corpora "
            "(inference/models/MODEL_CARD.md lists the files, their sources and their SHA-256)"
        ) from None


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def split_texts(text: str, separator: str = STORY_END) -> list[str]:
    """Texts between the separator lines, without blank space around them; empty ones are left out."""
    return [part.strip() for part in text.split(separator) if part.strip()]


def training_stories(folder: Path) -> list[str]:
    return [story for name in TRAIN_FILES for story in split_texts(read_corpus(folder, name))]


def encode_stories(stories: list[str], tokenizer: SentencePieceProcessor) -> list[list[int]]:
    return [[tokenizer.bos_id(), *ids, tokenizer.eos_id()] for ids in tokenizer.encode(stories)]


def join_some(rows: list[list[int]], share: float, rng: random.Random) -> list[list[int]]:
    """A shuffled copy in which about `share` of the rows carry a second story.

    Joined rows reach positions near the end of the context, which few stories do alone.
    """
    order = rng.sample(rows, len(rows))
    joined: list[list[int]] = []
    while order:
        row = order.pop()
        if order and rng.random() < share:
            row = row + order.pop()
        joined.append(row)
    return joined


def padded_width(row: list[int]) -> int:
    """Positions that a row takes as model input: its ids but the last, rounded up to LENGTH_STEP."""
    return -(-(len(row) - 1) // LENGTH_STEP) * LENGTH_STEP


def epoch_batches(
    rows: list[list[int]], *, seq_len: int, batch_tokens: int, joined_share: float, seed: int
) -> Iterator[list[list[int]]]:
    """One shuffled pass over all stories in batches of similar length.

    A batch holds at most `batch_tokens` positions after padding (or one row), and rows
    are cut at seq_len + 1 ids. The order depends on `seed` alone.
    """
    rng = random.Random(seed)
    cut = [row[: seq_len + 1] for row in join_some(rows, joined_share, rng)]
    cut.sort(key=len)
    batches: list[list[list[int]]] = []
    current: list[list[int]] = []
    for row in cut:
        # Rows come shortest first, so this row's width is the width of the batch.
        if current and padded_width(row) * (len(current) + 1) > batch_tokens:
            batches.append(current)
            current = []
        current.append(row)
    if current:
        batches.append(current)
    rng.shuffle(batches)
    yield from batches
