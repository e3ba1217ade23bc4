"""How the pages write numbers and messages: template filters."""

from collections.abc import Callable
from decimal import Decimal

from web.assurance import assurance_words
from web.present import Json


def micro(value: int) -> str:
    """Millionths as a decimal: 800000 is 0.8."""
    return format((Decimal(value) / 1_000_000).normalize(), "f")


def permille(value: int) -> str:
    """A share in words: never nothing for something, never all for less than all."""
    if value <= 0:
        return "none"
    if value >= 1000:
        return "all"
    return f"about {min(99, max(1, (value + 5) // 10))} %"


def megabytes(value: int) -> str:
    """Bytes as MB with one decimal, rounded up: a file is never larger than this says."""
    tenths = -(-value // 100_000)
    return f"{tenths // 10}.{tenths % 10} MB"


def sentence(text: str) -> str:
    """A message with a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def assurance(record: Json) -> str:
    """The assurance class of a generation record, in words."""
    replays = record["replays"]
    assert isinstance(replays, list)
    return assurance_words(record["assurance"], record["engine"], [replay["verdict"] for replay in replays])


FILTERS: dict[str, Callable[..., str]] = {
    "micro": micro,
    "permille": permille,
    "megabytes": megabytes,
    "sentence": sentence,
    "assurance": assurance,
}
