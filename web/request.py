"""The request object: bodies are bounded before they are read, and JSON is strict.

JSON here is RFC 8259 and no more: UTF-8, no NaN or infinity, no duplicate names, numbers of at most 32
characters, bounded nesting. A number with a fraction becomes a Decimal, so that no float ever reaches the
engine and `0.1` means one tenth.
"""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from apiflask import APIFlask
from flask import Request, request
from pydantic import BaseModel

from web.errors import RequestError
from web.settings import Settings

NUMBER_CHARS_MAX = 32
EXPONENT_MAX = 40
DEPTH_MAX = 32
STRUCTURE_CHARS_MAX = 2 << 20  # everything that is not inside a string: most of it token ids
BRACKETS_MAX = 1 << 16
BODY_BYTES_DEFAULT = 1 << 16
BATCH_BYTES_MAX = 16 << 20  # some 25,000 bare generation statements

Body = TypeVar("Body", bound=BaseModel)

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class RailRequest(Request):
    """A Flask request whose `get_json` is `parse_json` over a body that must say that it is JSON."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as JSON. `force` and `silent` are accepted for Flask's callers and change nothing.

        A body with another Content-Type is refused, so that a form on a foreign page cannot post here.
        """
        if self.mimetype != "application/json":
            raise RequestError("unsupported_media_type", "send the body as Content-Type: application/json", 415)
        return parse_json(self.get_data(cache=cache))


def parse_body(shape: type[Body]) -> Body:
    """The current request's JSON as an instance of `shape`, for views whose body has more than one form."""
    return shape.model_validate(request.get_json())


def parse_json(body: bytes) -> Any:
    """Parse strict JSON. Raises RequestError with code `invalid_utf8`, `invalid_json`, `json_too_deep`,
    `json_too_large`, `duplicate_name`, `invalid_number` or `invalid_unicode`."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError("invalid_utf8", f"the body is not UTF-8: byte {error.start} is wrong") from None
    _bound_structure(body)
    try:
        value = json.loads(
            text, parse_float=_number, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise RequestError(
            "invalid_json", f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    if _SURROGATE.search(body) is not None:
        _check_unicode(value, ())
    return value


def _check_unicode(value: object, path: tuple[str, ...]) -> None:
    """Refuse half a surrogate pair, which an escape can smuggle past UTF-8, wherever it stands."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_unicode(key, path)
            _check_unicode(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_unicode(item, (*path, str(index)))
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RequestError(
                "invalid_unicode",
                f"the text has half of a surrogate pair at character {error.start}; that is not Unicode text",
                400,
                ".".join(path) or None,
            ) from None


def _bound_structure(body: bytes) -> None:
    """Refuse, before any object is made, a body whose brackets nest too deep or that has too many parts."""
    structure = _STRING.sub(b'""', body)
    if len(structure) > STRUCTURE_CHARS_MAX:
        raise RequestError(
            "json_too_large",
            f"the body has over {STRUCTURE_CHARS_MAX} bytes outside strings; send fewer numbers at once",
            413,
        )
    brackets = structure.translate(None, _NOT_BRACKETS)
    if len(brackets) > BRACKETS_MAX:
        raise RequestError(
            "json_too_large", f"the body has over {BRACKETS_MAX} brackets; send fewer parts at once", 413
        )
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH_MAX:
            raise RequestError("json_too_deep", f"the body nests deeper than {DEPTH_MAX} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RequestError("duplicate_name", "an object in the body has the same name twice")
    return members


def _integer(text: str) -> int:
    if len(text) > NUMBER_CHARS_MAX:
        raise RequestError("invalid_number", f"a number in the body is longer than {NUMBER_CHARS_MAX} characters")
    return int(text)


def _number(text: str) -> Decimal:
    if len(text) > NUMBER_CHARS_MAX or abs((number := Decimal(text)).adjusted()) > EXPONENT_MAX:
        raise RequestError("invalid_number", f"a number in the body is longer than {NUMBER_CHARS_MAX} characters")
    return number


def _constant(text: str) -> NoReturn:
    raise RequestError("invalid_number", f"the body holds {text}, which is not a JSON number")


def bound_bodies(app: APIFlask, settings: Settings) -> None:
    """Give every endpoint its largest body; a larger one is a 413 before a byte of it is read."""
    # JSON may escape a character to three times its UTF-8 length; the rest is room for names and brackets.
    limits = {
        "api.verify": 3 * settings.max_text_bytes + BODY_BYTES_DEFAULT,
        "api.submit_record": 8 << 20,
        "api.submit_batch": BATCH_BYTES_MAX,
        "openai.completions": 2 * settings.max_prompt_bytes + BODY_BYTES_DEFAULT,
        "openai.chat_completions": 2 * settings.max_prompt_bytes + BODY_BYTES_DEFAULT,
    }
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_DEFAULT

    @app.before_request
    def bound_body() -> None:
        request.max_content_length = limits.get(request.endpoint or "", BODY_BYTES_DEFAULT)
