"""The HTTP client against servers that are slow, large, broken or elsewhere."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from web.client import ClientError, RailClient, normal_url

Handler = Callable[[httpx.Request], httpx.Response]


def answer(status: int, body: bytes, **headers: str) -> httpx.Response:
    """An answer whose body comes as a stream, as from a network."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, stream=httpx.ByteStream(body), headers=named)


def client_of(handler: Handler) -> RailClient:
    return RailClient("http://rail.test/", httpx.MockTransport(handler))


def refused(handler: Handler, limit: int = 1000) -> ClientError:
    with client_of(handler) as client, pytest.raises(ClientError) as caught:
        client.get("/x", limit)
    return caught.value


@pytest.mark.parametrize(
    "url",
    ["", "rail.example", "ftp://rail.example", "http://", "http://u:p@rail.example", "http://a:99999", "http://a/?q=1"],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ClientError, match="not the address of a service"):
        normal_url(url)


def test_an_address_may_have_a_path_and_loses_its_final_slash() -> None:
    assert normal_url("https://rail.example/log/") == "https://rail.example/log"


def test_a_body_up_to_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        return answer(200, b"x" * 1000)

    with client_of(serve) as client:
        assert client.get("/x", 1000) == b"x" * 1000
    assert refused(serve, 999).code == "too_large"


def test_gzip_is_bounded_after_decompression() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        return answer(200, gzip.compress(b"\0" * 10_000_000), Content_Encoding="gzip")

    assert refused(serve).code == "too_large"
    with client_of(serve) as client:
        assert client.get("/x", 10_000_000) == b"\0" * 10_000_000


def test_broken_gzip_and_unknown_encodings_are_refused() -> None:
    assert refused(lambda _: answer(200, b"no", Content_Encoding="gzip")).code == "bad_answer"


def test_redirects_are_not_followed() -> None:
    error = refused(lambda _: answer(302, b"", Location="http://evil.test/"))
    assert (error.code, error.status) == ("redirect", 302)


def test_a_problem_document_gives_its_code_and_words() -> None:
    problem = {"code": "entry_missing", "detail": "the log has no entry 9"}
    error = refused(lambda _: answer(404, json.dumps(problem).encode()))
    assert (error.code, error.status) == ("entry_missing", 404)
    assert "the log has no entry 9" in str(error)


def test_an_error_without_a_problem_document_is_still_an_error() -> None:
    assert refused(lambda _: answer(500, b"<html>")).code == "http_error"


def test_a_server_that_cannot_be_reached_or_is_silent_is_named() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    def hang(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("")

    assert refused(fail).code == "unreachable"
    assert refused(hang).code == "timeout"


@pytest.mark.parametrize("body", [b"", b"[1]", b"nonsense", b"\xff", b"[" * 100_000])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    with client_of(lambda _: answer(200, body)) as client, pytest.raises(ClientError) as caught:
        client.get_json("/x")
    assert caught.value.code == "bad_answer"


def test_a_download_resumes_where_it_was_cut(tmp_path: Path) -> None:
    whole = bytes(range(256)) * 8
    asked: list[str | None] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Range"))
        if asked[-1] is None:
            return answer(200, whole)
        return answer(206, whole[1000:], Content_Range=f"bytes 1000-2047/{len(whole)}", Content_Length="1048")

    target = tmp_path / "model.part"
    target.write_bytes(whole[:1000])
    steps: list[tuple[int, int]] = []
    with client_of(serve) as client:
        client.download("/m", target, 10_000, lambda done, total: steps.append((done, total)))
    assert asked == ["bytes=1000-"]
    assert target.read_bytes() == whole
    assert steps[-1] == (2048, 2048)


def test_a_download_starts_anew_when_the_server_ignores_ranges(tmp_path: Path) -> None:
    target = tmp_path / "model.part"
    target.write_bytes(b"old")
    with client_of(lambda _: answer(200, b"new file")) as client:
        client.download("/m", target, 100, lambda done, total: None)
    assert target.read_bytes() == b"new file"


def test_a_download_over_the_limit_stops(tmp_path: Path) -> None:
    with client_of(lambda _: answer(200, b"x" * 101)) as client, pytest.raises(ClientError) as caught:
        client.download("/m", tmp_path / "part", 100, lambda done, total: None)
    assert caught.value.code == "too_large"


def test_posts_carry_json_and_bytes() -> None:
    seen: list[tuple[str, bytes]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["Content-Type"], request.content))
        return answer(201, b'{"record_id": 1}')

    with client_of(serve) as client:
        assert client.post_json("/a", {"text": "é"}) == {"record_id": 1}
        assert client.post("/b", b"\xd2", "application/cose") == {"record_id": 1}
    assert json.loads(seen[0][1]) == {"text": "é"}
    assert seen[1] == ("application/cose", b"\xd2")
