"""Base64 in its one canonical form, as every C2SP format and our receipts use it."""

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64

from ledger.errors import ParseError


def format_base64(data: bytes) -> str:
    """Standard alphabet, padded, on one line."""
    return b64encode(data).decode("ascii")


def parse_base64(text: str, code: str, what: str) -> bytes:
    """Inverse of `format_base64`; anything else (blanks, missing padding, stray bits) is a ParseError with `code`."""
    try:
        data = a2b_base64(text.encode("ascii"), strict_mode=True)
    except (UnicodeEncodeError, Base64Error):
        data = None
    if data is None or format_base64(data) != text:
        raise ParseError(code, f"{what} is not canonical base64: {text[:60]!r}")
    return data


def parse_decimal(text: str, maximum: int, code: str, what: str) -> int:
    """A decimal number 0..maximum of ASCII digits without leading zeros or sign; anything else is a ParseError."""
    if text.isascii() and text.isdigit() and len(text) <= len(str(maximum)) and (text == "0" or text[0] != "0"):
        value = int(text)
        if value <= maximum:
            return value
    raise ParseError(code, f"{what} is not a number in 0..{maximum} without leading zeros: {text[:30]!r}")
