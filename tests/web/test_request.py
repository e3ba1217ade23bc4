"""Request bodies: strict JSON, bounded before it is parsed; on every route that takes one."""

import re
from decimal import Decimal
from io import BytesIO

import pytest
from flask.testing import FlaskClient

from tests.web.shapes import assert_error
from web.errors import RequestError
from web.request import DEPTH_MAX, parse_json

BODY_ROUTES = ("/v1/completions", "/v1/chat/completions", "/api/verify", "/api/records")


@pytest.mark.parametrize("path", BODY_ROUTES)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"{} {}", "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b'{"text": "\xff"}', "invalid_utf8"),
        (b'{"text": "\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"text": "a\nb"}', "invalid_json"),
        (b'{"text": NaN}', "invalid_number"),
        (b'{"text": -Infinity}', "invalid_number"),
        (b'{"text": 1' + b"0" * 40 + b"}", "invalid_number"),
        (b'{"text": 1e999}', "invalid_number"),
        (b'{"text": 1, "text": 2}', "duplicate_name"),
        (b"[" * 40_000, "json_too_deep"),
        (b'{"text": "\\ud83d"}', "invalid_unicode"),
    ],
)
def test_bad_json_is_400(client: FlaskClient, path: str, body: bytes, code: str) -> None:
    param = "text" if code == "invalid_unicode" else None
    assert_error(client.post(path, data=body, content_type="application/json"), 400, code, param)


@pytest.mark.parametrize("path", BODY_ROUTES)
@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_body_that_a_foreign_page_could_send_is_415(client: FlaskClient, path: str, content_type: str | None) -> None:
    assert_error(client.post(path, data=b'{"text": "x"}', content_type=content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize("path", BODY_ROUTES)
def test_oversized_body_is_413_before_it_is_read(client: FlaskClient, path: str) -> None:
    class Unreadable(BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("the body was read")

    length = {"CONTENT_LENGTH": str(1 << 40), "wsgi.input": Unreadable()}
    response = client.post(path, content_type="application/json", environ_overrides=length)
    detail = assert_error(response, 413, "content_too_large")
    assert re.search("more than the [0-9]+ bytes .*; send a shorter text", detail)


def test_numbers_are_exact() -> None:
    value = parse_json(b'{"a": 0.1, "b": 1, "c": 1e2, "d": 9007199254740993, "e": -0.0}')
    assert value == {"a": Decimal("0.1"), "b": 1, "c": Decimal("100"), "d": 9007199254740993, "e": Decimal("-0.0")}
    assert [type(item) for item in value.values()] == [Decimal, int, Decimal, int, Decimal]


def test_brackets_inside_strings_do_not_count() -> None:
    text = "[" * 100_000 + '\\"' + "{" * 100_000
    assert parse_json(b'{"text": "' + text.encode() + b'"}')["text"] == text.replace("\\", "")


def test_depth_bound_is_exact() -> None:
    assert parse_json(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    with pytest.raises(RequestError) as deep:
        parse_json(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))
    assert deep.value.code == "json_too_deep"


def test_too_many_parts_are_refused_before_they_are_made() -> None:
    assert len(parse_json(b"[" + b"0," * 200_000 + b"0]")) == 200_001
    for body in (b"[" + b"0," * 1_100_000 + b"0]", b"[" + b"[]," * 40_000 + b"0]"):
        with pytest.raises(RequestError) as large:
            parse_json(body)
        assert (large.value.code, large.value.status) == ("json_too_large", 413)


def test_surrogate_pair_by_escapes_is_a_character() -> None:
    assert parse_json(b'["\\ud83e\\uddea"]') == ["\U0001f9ea"]
