"""The reader's form of a text: what is left once markup, line-break hyphens and look-alike characters are set aside.

It is the second key of SPEC.md section 1: both the pasted text and the records are searched in it, so that it changes
nothing for texts that have none of these. Exact matches are decided on the first form.

    Markdown and HTML   marks and tags are dropped, links keep their text, entities become their character
    hyphenation         a hyphen, a line break and a lower-case letter: the word is joined
    look-alikes         in a word that mixes Latin letters with others, those that look Latin become Latin
    Chinese             traditional characters become simplified ones
"""

import re
from functools import cache
from html import unescape
from importlib.resources import files
from typing import Final

from ledger.index.characters import classes
from ledger.index.offsets import OffsetMap

_BLOCK: Final = (
    "p|br|div|h[1-6]|li|ul|ol|dl|dt|dd|tr|td|th|table|tbody|thead|hr|pre|blockquote|section|article|main|html|body|head"
)
_INLINE: Final = "a|b|i|u|s|em|strong|span|code|small|sub|sup|mark|del|ins|font|kbd|q|cite|img|abbr"
# Each alternative begins with a character of its own and is bounded: linear time, whatever the text.
_MARKUP: Final = re.compile(
    rf"""
      (?P<block></?(?:{_BLOCK})\b[^<>]{{0,1000}}>)
    | (?P<inline></?(?:{_INLINE})\b[^<>]{{0,1000}}>|<!--[^<>]{{0,1000}}-->)
    | (?P<entity>&(?:[a-z][a-z0-9]{{1,30}}|\#[0-9]{{1,7}}|\#x[0-9a-f]{{1,6}});)
    | !?\[(?P<link>[^\[\]\n]{{1,300}})\]\([^()\s]{{1,1000}}\)
    | (?P<mark>\*{{1,3}}|~~|`{{1,3}})
    | (?m:^)(?P<line>[ \t]{{0,3}}(?:\#{{1,6}}[ ]|>[ ]?|[-+][ ]))
    | (?<=[^\W\d_])(?P<hyphen>[-\u2010][ \t]{{0,3}}\r?\n[ \t]{{0,8}})(?=[^\W\d_])
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Without one of them there is nothing to drop: found faster than by an expression.
_MARKS: Final = (*"<&[*~`#>\u2010", *(sign + space for sign in "-+" for space in " \t\r\n"))
_TRIGGER: Final = re.compile(r"[<&\[*~`#>]|(?m:^)[ \t]{0,3}[-+][ ]|[-\u2010][ \t]{0,3}\r?\n")


def readable(text: str) -> tuple[str, OffsetMap | None]:
    """The reader's form, and the way back to the text; None: every character is where it was. Linear in its length."""
    offsets = None
    if any(mark in text for mark in _MARKS) and _TRIGGER.search(text):
        text, offsets = _without_markup(text)
    if not text.isascii():
        text = text.translate(simplified())
        text = _without_look_alikes(text)
    return text, offsets


def _without_markup(text: str) -> tuple[str, OffsetMap]:
    offsets = OffsetMap()
    parts: list[str] = []
    length = position = 0

    def keep(start: int, end: int) -> None:
        nonlocal length
        if end > start:
            offsets.add(length, start)
            parts.append(text[start:end])
            length += end - start

    for match in _MARKUP.finditer(text):
        kind, (start, end) = match.lastgroup, match.span()
        if kind == "hyphen" and not text[end : end + 1].islower():
            continue
        keep(position, start)
        position = end
        if kind == "link":
            keep(*match.span("link"))
        elif kind in ("block", "entity"):
            new = " " if kind == "block" else unescape(match[0])
            offsets.add(length, start, end - start)
            parts.append(new)
            length += len(new)
    keep(position, len(text))
    offsets.add(length, len(text))
    return "".join(parts), offsets


def _without_look_alikes(text: str) -> str:
    """Look-alikes made Latin in words that mix scripts; in a text that has such words, also in words of look-alikes
    only that stand between Latin ones. Words of one script are left alone otherwise: real Cyrillic is never folded.
    """
    known = look_alikes()
    if _look_alike().isdisjoint(text):
        return text
    words = [(match.start(), match[0]) for match in _words().finditer(text)]
    kinds = {word: _latin_word(word, known) for word in {word for _, word in words}}
    if all(new == word for word, new in kinds.items()):
        return text
    folded = [kinds[word] for _, word in words]
    different = set(folded)
    latin = {word for word in different if _only_latin(word)}
    like = latin | {word for word in different if _only_latin(word.translate(known))}
    flags = [word in like for word in folded]
    for i, word in enumerate(folded):
        if flags[i] and word not in latin and all(flags[max(0, i - 1) : i + 2]):
            folded[i] = word.translate(known)
    parts: list[str] = []
    position = 0
    for new, (start, word) in zip(folded, words, strict=True):
        parts += (text[position:start], new)
        position = start + len(word)
    return "".join([*parts, text[position:]])


def _latin_word(word: str, known: dict[int, str]) -> str:
    """The word with its look-alikes made Latin, if it has Latin letters too and no other letters are left."""
    if word.isascii():
        return word
    folded = word.translate(known)
    mixed = folded != word and any(c.isalpha() and _is_latin(c) for c in word)
    return folded if mixed and _only_latin(folded) else word


def _only_latin(word: str) -> bool:
    return word.isascii() or all(map(_is_latin, word))


def _is_latin(char: str) -> bool:
    """Also of marks and what is invisible; and of mathematical and full-width Latin letters."""
    if char < "\u0250" or "\u1e00" <= char <= "\u1eff" or not char.isalpha():
        return True
    return "\uff21" <= char <= "\uff5a" or "\U0001d400" <= char <= "\U0001d6a3"


@cache
def _look_alike() -> frozenset[str]:
    return frozenset(map(chr, look_alikes()))


@cache
def _words() -> re.Pattern[str]:
    """Words of letters, with what is invisible in them; scripts without spaces are no words."""
    known = classes()
    inside = f"[^\\W\\d_{known.wide}{known.dense}]"
    joined = f"[{known.dropped}{known.marks}]"
    return re.compile(f"{inside}(?:{joined}*{inside})*")


@cache
def look_alikes() -> dict[int, str]:
    """Code points that look like a Latin letter, and the letter."""
    lines = _lines("confusables.tsv")
    return {ord(c): latin for latin, _, others in (line.partition("\t") for line in lines) for c in others}


@cache
def simplified() -> dict[int, str]:
    """Code points of traditional Chinese characters, and the simplified ones."""
    traditional, simplified = _lines("chinese_variants.txt")
    return {ord(one): other for one, other in zip(traditional, simplified, strict=True)}


def _lines(name: str) -> list[str]:
    text = files("ledger.index").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("#")]
