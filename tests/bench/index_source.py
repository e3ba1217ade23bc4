"""Any number of records for measurements of the content index, each made from its number when it is asked for.

Three of four are English: runs of 2 to 12 words from random places of TinyStories and children's books, 240 words. Each
fourth is Chinese: runs of 4 to 16 characters of the Journey to the West, 300 characters, which weigh as much. So texts
share words and phrases as texts of one kind do, but no record is another's copy.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import shake_128
from pathlib import Path

import numpy as np

PROMPT = "Write a short story about a fox who learns to share with the other animals, please, and keep it simple."
ENGLISH = ("tinystories_train_en.txt", "gutenberg_children_en.txt")
CHINESE = "other/zh_xiyouji.txt"


PARTS_MAX = 128  # of one text


@dataclass(frozen=True, slots=True)
class Record:
    """The part of a content that matching reads."""

    output_text: str
    prompt_text: str = PROMPT
    visibility: str = "public"


class MadeRecords:
    """In the place of a log: records 0 to count - 1. Greater numbers have texts too, of the same kind."""

    def __init__(self, corpora: Path, count: int) -> None:
        self.count = count
        english = "".join((corpora / name).read_text(encoding="utf-8") for name in ENGLISH)
        words = english.replace("<|endoftext|>", " ").replace("<|endofbook|>", " ").split()
        self._english = " ".join(words)
        self._starts = np.cumsum([0, *(len(word) + 1 for word in words)])
        self._chinese = "".join((corpora / CHINESE).read_text(encoding="utf-8").split())

    def text(self, number: int) -> str:
        """In about 30 microseconds: many are made while checks are timed."""
        draws = shake_128(number.to_bytes(8, "big")).digest(8 * PARTS_MAX)
        sizes, starts = np.frombuffer(draws, np.uint32).reshape(2, -1)
        if number % 4 == 3:
            sizes, starts = _parts(sizes, 4, 16, 300), starts % (len(self._chinese) - 16)
            starts = starts[: len(sizes)]
            runs = zip(starts.tolist(), (starts + sizes).tolist(), strict=True)
            return "".join([self._chinese[start:end] for start, end in runs])
        sizes, starts = _parts(sizes, 2, 12, 240), starts % (len(self._starts) - 12)
        starts = starts[: len(sizes)]
        runs = zip(self._starts[starts].tolist(), self._starts[starts + sizes].tolist(), strict=True)
        return "".join([self._english[start:end] for start, end in runs]).strip()

    def contents(self, after_index: int) -> Iterator[tuple[int, Record]]:
        for number in range(after_index + 1, self.count):
            yield number, Record(self.text(number))

    def contents_of(self, indexes: Collection[int]) -> dict[int, Record]:
        return {index: Record(self.text(index)) for index in indexes if 0 <= index < self.count}

    def registrants_of(self, indexes: Collection[int]) -> dict[int, int]:
        """Twenty operators take turns."""
        return {index: index % 20 for index in indexes}


def _parts(draws: np.ndarray, least: int, most: int, total: int) -> np.ndarray:
    """As many random sizes from `least` to `most` as it takes to reach the total."""
    sizes = least + draws % (most - least + 1)
    return sizes[: int(np.cumsum(sizes).searchsorted(total)) + 1]
