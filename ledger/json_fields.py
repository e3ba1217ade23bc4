"""Strict reading of decoded JSON: exact key sets, exact types, canonical base64; anything else is a ParseError."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.encoding import parse_base64
from ledger.errors import ParseError


def json_object(value: object, where: str, names: Sequence[str]) -> Mapping[str, Any]:
    """`value`, if it is an object with exactly these keys."""
    if not isinstance(value, dict):
        raise ParseError(where, f"{where} is not a JSON object")
    for name in names:
        if name not in value:
            raise ParseError(f"{where}_{name}", f"{where} has no field '{name}'")
    if len(value) != len(names):
        extra = next(name for name in value if name not in names)
        raise ParseError(f"{where}_unknown_field", f"{where} has a field that is not known: {extra!r:.60}")
    return value


def json_string(value: object, code: str) -> str:
    """`value`, if it is a string."""
    if not isinstance(value, str):
        raise ParseError(code, f"{code} is not a string")
    return value


def json_utf8(text: str, code: str) -> bytes:
    """The bytes of a text; JSON can spell lone surrogates, which have none."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ParseError(code, f"{code} holds a lone surrogate") from None


def json_octets(value: object, code: str, bytes_max: int) -> bytes:
    """Canonical base64 of at most `bytes_max` bytes."""
    text = json_string(value, code)
    if len(text) > (bytes_max + 2) // 3 * 4:
        raise ParseError(code, f"{code} is longer than {bytes_max} bytes")
    return parse_base64(text, code, code)
