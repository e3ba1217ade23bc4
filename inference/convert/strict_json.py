"""JSON from files that nobody vouches for: bounded before it is parsed, and one meaning only.

Numbers with a point or an exponent come as Decimal, exactly as written.
"""

import json
import re
from decimal import Decimal
from typing import Any

from inference.errors import ConversionError

NESTING_MAX = 16
NUMBER_CHARACTERS_MAX = 64  # of one number; longer ones cost more than linear time
_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)


def parse_object(data: bytes | memoryview, where: str, code: str, bytes_max: int) -> dict[str, Any]:
    """The object that `data` is. Raises ConversionError with `code`.

    Refused are more than `bytes_max` bytes, what is not UTF-8, names that are repeated or not text, NaN and
    infinities, more than 16 levels, and long numbers.
    """
    if len(data) > bytes_max:
        raise ConversionError(code, f"{where}: JSON of {len(data)} bytes, at most {bytes_max} are taken")
    raw = bytes(data)
    if _depth(raw) > NESTING_MAX:
        raise ConversionError(code, f"{where}: JSON nested more than {NESTING_MAX} deep")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=lambda text: Decimal(_number(text)),
            parse_int=lambda text: int(_number(text)),
        )
    except (ValueError, ArithmeticError) as error:
        raise ConversionError(code, f"{where}: not the JSON of such a file: {str(error)[:100]}") from None
    if type(value) is not dict:
        raise ConversionError(code, f"{where}: JSON, but not an object")
    return value


def _depth(raw: bytes) -> int:
    """Levels of brackets outside strings."""
    depth = deepest = 0
    for match in _BRACKETS.finditer(raw):
        first = raw[match.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        name.encode("utf-8")  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
        if name in found:
            raise ValueError(f"the name {name[:60]!r} is repeated")
        found[name] = value
    return found


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a number of JSON")


def _number(text: str) -> str:
    if len(text) > NUMBER_CHARACTERS_MAX:
        raise ValueError(f"a number of {len(text)} characters")
    return text
