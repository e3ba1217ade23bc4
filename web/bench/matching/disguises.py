"""Texts that read as before and have other code points: how many keep their match."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from web.bench.matching.methods import Method
from web.bench.matching.sets import Registered

_CYRILLIC: Final = str.maketrans("aceopxyisjABCEHIKMOPTXSJ", "асеорхуіѕјАВСЕНІКМОРТХЅЈ")
_SMART: Final = str.maketrans({"'": "\u2019", '"': "\u201d", "-": "\u2011", " ": "\u00a0"})
_BOLD: Final = {ord("a") + i: chr(0x1D41A + i) for i in range(26)} | {ord("A") + i: chr(0x1D400 + i) for i in range(26)}
_WIDE: Final = {i: chr(i + 0xFEE0) for i in range(0x21, 0x7F)}

Disguise = Callable[[random.Random, str], str]


def _sprinkled(characters: str, share: float) -> Disguise:
    return lambda rng, text: "".join(c + rng.choice(characters) if rng.random() < share else c for c in text)


def _translated(table: Mapping[int, int | str], share: float = 1.0) -> Disguise:
    return lambda rng, text: "".join(c.translate(table) if rng.random() < share else c for c in text)


def _wrapped(rng: random.Random, text: str, form: str) -> str:
    return " ".join(form.format(word) if rng.random() < 0.2 else word for word in text.split(" "))


DISGUISES: Final[dict[str, Disguise]] = {
    "soft hyphen 10 %": _sprinkled("\u00ad", 0.1),
    "variation selectors": _sprinkled("\ufe00\ufe0f\U000e0100", 0.1),
    "tag characters": _sprinkled("\U000e0020\U000e0061", 0.1),
    "grapheme joiner": _sprinkled("\u034f", 0.1),
    "zero-width space": _sprinkled("\u200b", 0.1),
    "bidirectional controls": _sprinkled("\u202a\u202c\u2066\u2069", 0.1),
    "smart quotes, spaces": _translated(_SMART),
    "full-width": _translated(_WIDE),
    "mathematical bold": _translated(_BOLD),
    "Cyrillic letters 25 %": _translated(_CYRILLIC, 0.25),
    "Markdown bold": lambda rng, text: _wrapped(rng, text, "**{}**"),
    "HTML": lambda rng, text: f"<p>{_wrapped(rng, text, '<i>{}</i>')}</p>",
    "upper case": lambda _, text: text.upper(),
}


def measure(
    records: Sequence[Registered], methods: Sequence[Method], thresholds: Mapping[str, float], limit: int
) -> list[dict[str, Any]]:
    """For each disguise, the share of `limit` outputs that keep their match: the right record, above the threshold.

    The same text registered twice counts as right for both.
    """
    rng = random.Random(7)
    chosen = rng.sample(range(len(records)), min(limit, len(records)))
    rows: list[dict[str, Any]] = []
    for name, disguise in DISGUISES.items():
        kept = dict.fromkeys((method.name for method in methods), 0)
        for number in chosen:
            text = disguise(rng, records[number].output_text)
            for method in methods:
                found = method.find(text)
                same = found.record is not None and records[found.record].output_text == records[number].output_text
                kept[method.name] += same and found.score > thresholds.get(method.name, 0.0)
        rows.append(
            {"disguise": name, "kept": {method: round(count / len(chosen), 4) for method, count in kept.items()}}
        )
    return rows
