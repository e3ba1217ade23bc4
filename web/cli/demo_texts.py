"""The four texts that the demo looks up, made from the text that it generated."""

import re
from dataclasses import dataclass

EXCERPT_WORDS = 25

BEFORE = "My neighbour's daughter read me a tale last night. The part she liked best went like this: «"
AFTER = "» We both wondered who had come up with it, so I took the passage home to look it up."

UNRELATED = (
    "The parish council met on Thursday to discuss the state of the footbridge. Two planks had rotted through over "
    "the winter, and the treasurer reported that a replacement in oak would cost rather more than the budget allowed. "
    "It was resolved to ask the county for a contribution and to close the crossing until spring."
)


@dataclass(frozen=True, slots=True)
class Quotation:
    """Somebody's paragraph with an excerpt in it, text[start:end], in code points."""

    text: str
    start: int
    end: int


def disguise(text: str) -> str:
    """The same words for a reader: other whitespace, other quotes, and characters that nobody sees."""
    spread = re.sub(r" ", lambda match: "\u00a0 " if match.start() % 3 else " \n", text)
    quoted = spread.replace('"', "\u201d").replace("'", "\u2019")
    return "\ufeff" + re.sub(r"(?<=[a-z])(?=[aeiou])", "\u200b", quoted)


def quote(text: str, words: int = EXCERPT_WORDS) -> Quotation:
    """A paragraph that quotes `words` words from the middle of `text`; ValueError if the text is too short."""
    places = [match.span() for match in re.finditer(r"\S+", text)]
    if len(places) < words + 2:
        raise ValueError(f"a text of {len(places)} words has no excerpt of {words} words inside it")
    first = (len(places) - words) // 2
    excerpt = text[places[first][0] : places[first + words - 1][1]]
    return Quotation(BEFORE + excerpt + AFTER, len(BEFORE), len(BEFORE) + len(excerpt))
