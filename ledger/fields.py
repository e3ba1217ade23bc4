"""Checks of single fields: each takes a value of any type and says what is wrong with it, or nothing.

    model_root: bytes = checked(octets(32))

A dataclass that declares its fields so is `Checked`: no instance with a field out of bounds can exist.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar

from ledger.errors import ParseError

Check = Callable[[object], str | None]

# Controls, line separators, zero-width and direction marks: nothing that a page could not show as it is. Written out
# because "printable" moves with the Unicode version and two verifiers must agree.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_CODE = re.compile("[a-z0-9](?:[a-z0-9._/-]{0,62}[a-z0-9])?", re.ASCII)


def checked(check: Check) -> Any:
    """Declare a dataclass field with its check."""
    return field(metadata={"check": check})


def checked_or(default: object, check: Check) -> Any:
    """Declare a dataclass field that its map leaves out where it has this value."""
    return field(default=default, metadata={"check": check})


@dataclass(frozen=True, slots=True)
class Checked:
    """Base of dataclasses whose declared checks run on construction; failures are ParseError `<prefix>_<field>`."""

    CODE_PREFIX: ClassVar[str]

    def __post_init__(self) -> None:
        names, checks, values_of = _CHECKS.get(type(self)) or _gather(type(self))
        for name, check, value in zip(names, checks, values_of(self), strict=True):
            if problem := check(value):
                raise ParseError(f"{self.CODE_PREFIX}_{name}", f"{self.CODE_PREFIX} field '{name}' {problem}")


_Fields = tuple[tuple[str, ...], tuple[Check, ...], Callable[[object], tuple[Any, ...]]]
_CHECKS: dict[type, _Fields] = {}


def _gather(kind: type[Checked]) -> _Fields:
    """Names, checks and values of the fields, once for each class: statements are opened by the thousand."""
    names = tuple(item.name for item in fields(kind))
    _CHECKS[kind] = names, tuple(item.metadata["check"] for item in fields(kind)), attrgetter(*names)
    return _CHECKS[kind]


def integer(minimum: int, maximum: int) -> Check:
    """An int (not a bool) in minimum..maximum."""

    def check(value: object) -> str | None:
        if type(value) is int and minimum <= value <= maximum:
            return None
        return f"is not an integer in {minimum}..{maximum}"

    return check


def octets(length: int) -> Check:
    """Exactly `length` bytes."""

    def check(value: object) -> str | None:
        return None if type(value) is bytes and len(value) == length else f"is not a byte string of {length} bytes"

    return check


def text(bytes_max: int, bytes_min: int = 1) -> Check:
    """One line of printable UTF-8 text without blanks at its ends."""

    def check(value: object) -> str | None:
        if not isinstance(value, str) or _UNPRINTABLE.search(value) or value != value.strip(" "):
            return "is not one line of printable text without blanks at its ends"
        if not bytes_min <= len(value.encode()) <= bytes_max:
            return f"is not {bytes_min}..{bytes_max} bytes of UTF-8"
        return None

    return check


def code(value: object) -> str | None:
    """A short machine-readable word such as `rail-int/1`: 1..64 of a-z 0-9 . _ / -"""
    if isinstance(value, str) and _CODE.fullmatch(value):
        return None
    return "is not a short code of a-z, 0-9, '.', '_', '/', '-'"


def one_of(*words: str) -> Check:
    """One of these words."""

    def check(value: object) -> str | None:
        return None if isinstance(value, str) and value in words else f"is not one of: {', '.join(words)}"

    return check


def optional(inner: Check) -> Check:
    """None, or what `inner` accepts."""

    def check(value: object) -> str | None:
        return None if value is None else inner(value)

    return check


def instance_of(kind: type) -> Check:
    """A value that has been checked on its own construction."""

    def check(value: object) -> str | None:
        return None if isinstance(value, kind) else f"is not a {kind.__name__}"

    return check


def mapping(key: Check, item: Check, pairs_max: int) -> Check:
    """A mapping of at most `pairs_max` pairs."""

    def check(value: object) -> str | None:
        if not isinstance(value, Mapping) or len(value) > pairs_max:
            return f"is not a map of at most {pairs_max} pairs"
        for name, content in value.items():
            problem = key(name) or item(content)
            if problem:
                return f"has a pair that {problem}"
        return None

    return check
