"""Corpus files to rows of token ids, all of one width: BOS, then as much text as fits.

Stories are packed whole, several to a row; books are cut into rows. Training reads the files of STORY_FILES and
BOOK_FILES and no others; the held-out files have their own names here and only the evaluation takes them.
"""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_left, insort
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

STORY_END = "<|endoftext|>"
BOOK_END = "<|endofbook|>"
STORY_FILES = ("tinystories_train_en.txt", "tinystories_train_extra_truecased_en.txt")
BOOK_FILES = ("gutenberg_children_en.txt", "fairytaleqa_en.txt")
HELDOUT_STORIES = "tinystories_heldout_en.txt"
HELDOUT_BOOKS = "heldout_books_en.txt"

Row = list[int]


class RunRefused(Exception):
    """Something that a run needs is absent, damaged or of another run; the message says what to do."""


class CorpusMissing(RunRefused):
    """A corpus file is not where the command line said."""


def read_corpus(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CorpusMissing(
            f"no corpus file {folder / name}: name the folder that holds it with --corpora DIR, or CORPORA=DIR for "
            "make model (inference/models/MODEL_CARD.md lists the files, their sources and their SHA-256)"
        ) from None


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def split_texts(text: str) -> list[str]:
    """Texts between the separator lines, without blank space around them; empty ones are left out."""
    return [part.strip() for part in text.replace(BOOK_END, STORY_END).split(STORY_END) if part.strip()]


def read_texts(folder: Path, names: tuple[str, ...]) -> list[str]:
    return [text for name in names for text in split_texts(read_corpus(folder, name))]


def encode_texts(texts: list[str], tokenizer: SentencePieceProcessor) -> list[Row]:
    """Each text as BOS + tokens + EOS."""
    return [[tokenizer.bos_id(), *ids, tokenizer.eos_id()] for ids in tokenizer.encode(texts)]


def pack(texts: list[Row], width: int) -> list[Row]:
    """Rows of at most `width` ids: each text goes into the fullest row that has room; longer ones are cut at `width`.

    Only a text longer than a row loses anything, so few rows end inside a story.
    """
    rows: list[Row] = []
    room: list[tuple[int, int]] = []  # (free ids, row), in order
    for text in texts:
        text = text[:width]
        place = bisect_left(room, (len(text), 0))
        if place == len(room):
            rows.append([])
            free, row = width, len(rows) - 1
        else:
            free, row = room.pop(place)
        rows[row].extend(text)
        if free > len(text):
            insort(room, (free - len(text), row))
    return rows


def cut(texts: list[Row], width: int) -> list[Row]:
    """Rows of at most `width` ids, each beginning with BOS: the texts' pieces in their order."""
    return [text[:1] + text[start : start + width - 1] for text in texts for start in range(1, len(text), width - 1)]


def shuffled_for_ever(texts: list[Row], arrange: str, width: int, seed: int) -> Iterator[Row]:
    """Rows, pass after pass, each pass in an order of its own that depends on the seed alone."""
    epoch = 0
    while True:
        rng = random.Random(f"{seed}/{arrange}/{epoch}")
        rows = pack(rng.sample(texts, len(texts)), width) if arrange == "pack" else cut(texts, width)
        rng.shuffle(rows)
        yield from rows
        epoch += 1


def mixed_batches(
    stories: list[Row], books: list[Row], *, width: int, story_rows: int, book_rows: int, seed: int
) -> Iterator[list[Row]]:
    """Batches without end, each of `story_rows` rows of stories, then `book_rows` rows of books."""
    from_stories = shuffled_for_ever(stories, "pack", width, seed)
    from_books = shuffled_for_ever(books, "cut", width, seed)
    while True:
        yield [next(from_stories) for _ in range(story_rows)] + [next(from_books) for _ in range(book_rows)]
