"""Any number of records for measurements of the content index, each made from its number when it is asked for.

Three of four are English: runs of 2 to 12 words from random places of TinyStories and children's books, 240 words. Each
fourth is Chinese: runs of 4 to 16 characters of the Journey to the West, 300 characters, which weigh as much. So texts
share words and phrases as texts of one kind do, but no record is another's copy.
"""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PROMPT = "Write a short story about a fox who learns to share with the other animals, please, and keep it simple."
ENGLISH = ("tinystories_train_en.txt", "gutenberg_children_en.txt")
CHINESE = "other/zh_xiyouji.txt"


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
        draw = random.Random(number)
        parts: list[str] = []
        length = 0
        if number % 4 == 3:
            while length < 300:
                size = draw.randint(4, 16)
                start = draw.randrange(len(self._chinese) - size)
                parts.append(self._chinese[start : start + size])
                length += size
            return "".join(parts)
        while length < 240:
            size = draw.randint(2, 12)
            start = draw.randrange(len(self._starts) - size)
            parts.append(self._english[self._starts[start] : self._starts[start + size]])
            length += size
        return "".join(parts).strip()

    def contents(self, after_index: int) -> Iterator[tuple[int, Record]]:
        for number in range(after_index + 1, self.count):
            yield number, Record(self.text(number))

    def content(self, index: int) -> Record | None:
        return Record(self.text(index)) if 0 <= index < self.count else None

    def registrants_of(self, indexes: Collection[int]) -> dict[int, int]:
        """Twenty operators take turns."""
        return {index: index % 20 for index in indexes}
