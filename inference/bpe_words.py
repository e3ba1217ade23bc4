"""A text cut into words, inside which alone byte pairs are merged (SPEC.md, "Tokenizer").

The rules are the known models' own regular expressions. They only ask of a character whether it is a letter, a
number, a space or else, so each character is first replaced by an ASCII one of its kind, with a frozen table; the
expressions then run over ASCII. Neither depends on a Unicode version of Python or of a library.
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from inference.unicode_classes import LETTERS, NUMBERS, SPACES

# What stands for a character outside ASCII: of its kind, and named in no rule below.
_LETTER, _NUMBER, _SPACE, _OTHER = b"Z0\v!"
_LONG_S = 0x17F  # the one character outside ASCII that is a letter of a contraction when case is ignored

_WORD_RULES = {
    "gpt2": rb"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+",
    "llama3": rb"'(?i:s|t|re|ve|m|ll|d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]{1,3}| ?[^\sA-Za-z0-9]+[\r\n]*"
    rb"|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": rb"'(?i:s|t|re|ve|m|ll|d)|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]| ?[^\sA-Za-z0-9]+[\r\n]*"
    rb"|\s*[\r\n]+|\s+(?!\S)|\s+",
    # Digits are cut out first, the rest is as gpt2; so a space before a digit is the last of its part.
    "smollm": rb"[0-9]|'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[^\sA-Za-z0-9]+|\s+(?![^\s0-9])|\s+",
}
PRE_TOKENIZERS = tuple(_WORD_RULES)
_IGNORES_CASE = ("llama3", "qwen2")
_PATTERNS = {name: re.compile(rule) for name, rule in _WORD_RULES.items()}


def cut_words(text: str, pre_tokenizer: str) -> list[str]:
    """The words of a text without lone surrogates, in order; joined they are the text. Linear in its length."""
    kinds = _kinds(pre_tokenizer in _IGNORES_CASE)[np.frombuffer(text.encode("utf-32-le"), "<u4")].tobytes()
    ends = list(accumulate(map(len, _PATTERNS[pre_tokenizer].findall(kinds)), initial=0))
    assert ends[-1] == len(text)
    return [text[start:end] for start, end in pairwise(ends)]


@cache
def _kinds(ignores_case: bool) -> NDArray[np.uint8]:
    """For each code point the ASCII character that stands for it."""
    table = np.full(0x110000, _OTHER, np.uint8)
    _fill(table, LETTERS, _LETTER)
    _fill(table, NUMBERS, _NUMBER)
    _fill(table, SPACES, _SPACE)
    table[:128] = np.arange(128)
    if ignores_case:
        table[_LONG_S] = ord("s")
    return table


def _fill(table: NDArray[np.uint8], ranges: Sequence[tuple[int, int]], kind: int) -> None:
    for first, last in ranges:
        table[first : last + 1] = kind
