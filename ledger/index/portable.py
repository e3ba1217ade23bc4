"""What a matcher in another language needs of this Python's Unicode data, to come to the same normal forms."""

from functools import cache
from html.entities import html5
from typing import Any

from ledger.index.characters import FOLD_AFTER, FOLD_BEFORE, classes, ranges_of
from ledger.index.readable import look_alikes, simplified
from ledger.index.rules import FINGERPRINT_RULES, RULES_WITH_DATA


@cache
def character_data() -> dict[str, Any]:
    """`classes`: ranges of code points, first and last; `casefold`: what differs from the lower case of one character;
    `fold_before`, `fold_after`, `look_alikes` and `simplified`: one character for another; `entities`: HTML's, by name
    without the ampersand. SPEC.md sections 1 and 2.
    """
    known = classes()
    return {
        "rules": FINGERPRINT_RULES,
        "rules_with_data": RULES_WITH_DATA,
        "classes": {
            name: [[first, last] for first, last in ranges_of(getattr(known, name))]
            for name in ("dropped", "extenders", "marks", "dense", "wide")
        },
        "casefold": {
            chr(i): chr(i).casefold()
            for i in range(0x1F000)
            if not 0xD800 <= i < 0xE000 and chr(i).casefold() != chr(i).lower()
        },
        "fold_before": {chr(i): to for i, to in FOLD_BEFORE.items()},
        "fold_after": {chr(i): to for i, to in FOLD_AFTER.items()},
        "look_alikes": {chr(i): to for i, to in look_alikes().items()},
        "simplified": {chr(i): to for i, to in simplified().items()},
        "entities": html5,
    }
