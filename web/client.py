"""A careful HTTP client for one RAIL service: time limits, size limits, no redirects, one connection kept alive.

The server is not trusted: whatever it sends is cut off at a limit before it takes memory, and none of it is
believed here; the callers check signatures, proofs and digests.
"""

import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from web.version import version

JSON_LIMIT = 8 << 20  # bytes of a JSON answer: receipts carry prompt and output
ERROR_LIMIT = 64 << 10  # bytes of an error document that are read
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0  # between two pieces of an answer
ANSWER_SECONDS = 300.0  # a whole answer, downloads aside
PACE_BYTES = 1024  # a second, the least that a download must make after READ_SECONDS


class ClientError(Exception):
    """The service could not be asked, or answered with something unusable. `status`: HTTP status, None if none came."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class RailClient:
    """Requests to the service at `url` (http or https, path prefix allowed). Use as a context manager."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = normal_url(url)
        self._http = httpx.Client(
            headers={"User-Agent": f"rail/{version()}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=4),
            follow_redirects=False,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, limit: int) -> bytes:
        """Body of `path`, at most `limit` bytes after decoding. Raises ClientError."""
        with self._answer("GET", path) as response:
            return _read(response, limit)

    def get_json(self, path: str, limit: int = JSON_LIMIT) -> dict[str, Any]:
        return self._object(path, self.get(path, limit))

    def post_json(self, path: str, body: object) -> dict[str, Any]:
        with self._answer("POST", path, json=body) as response:
            return self._object(path, _read(response, JSON_LIMIT))

    def post(
        self, path: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        sent = {"Content-Type": content_type, **(headers or {})}
        with self._answer("POST", path, content=body, headers=sent) as response:
            return self._object(path, _read(response, JSON_LIMIT))

    def download(self, path: str, target: Path, limit: int, advance: Callable[[int, int], None]) -> None:
        """Fetch `path` into the file `target`, resuming at its present length if the server knows ranges.

        Nothing is verified. Raises ClientError, `too_large` once the whole would exceed `limit` bytes.
        """
        have = target.stat().st_size if target.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._answer("GET", path, headers=headers, also=(416,)) as response:
            if response.status_code == 416:  # Nothing is left to send, or another file is there now.
                return
            resumed = response.status_code == 206 and response.headers.get("content-range", "").startswith(
                f"bytes {have}-"
            )
            done = have if resumed else 0
            total = done + int(response.headers.get("content-length", "0") or "0")
            started, first = time.monotonic(), done
            with target.open("ab" if resumed else "wb") as file:
                for chunk in response.iter_raw():
                    done += len(chunk)
                    _check_pace(f"{self.url}{path}", done - first, time.monotonic() - started)
                    if max(done, total) > limit:
                        raise ClientError("too_large", f"{self.url}{path} is larger than {limit} bytes")
                    file.write(chunk)
                    advance(done, max(done, total))
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def _answer(self, method: str, path: str, also: tuple[int, ...] = (), **request: Any) -> Iterator[httpx.Response]:
        where = f"{self.url}{path}"
        try:
            with self._http.stream(method, where, **request) as response:
                if response.is_success or response.status_code in also:
                    yield response
                    return
                raise _refusal(where, response)
        except httpx.TimeoutException as error:
            raise ClientError("timeout", f"{where} did not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ClientError("unreachable", f"could not reach {where}: {error or type(error).__name__}") from error

    def _object(self, path: str, body: bytes) -> dict[str, Any]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise ClientError("bad_answer", f"{self.url}{path} did not answer with JSON") from error
        if not isinstance(value, dict):
            raise ClientError("bad_answer", f"{self.url}{path} did not answer with a JSON object")
        return value


def normal_url(url: str) -> str:
    """The URL without a trailing slash; raises ClientError (`bad_url`) unless it is a plain http(s) address."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        plain = False
    if not plain or parts.query or parts.fragment:
        raise ClientError("bad_url", f"{url!r} is not the address of a service; write e.g. https://rail.example")
    return url.rstrip("/")


def _read(response: httpx.Response, limit: int) -> bytes:
    """The body, gunzipped if it is compressed, refused as soon as it exceeds `limit` bytes or takes too long."""
    encoding = response.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise ClientError("bad_answer", f"{response.url}: unexpected Content-Encoding {encoding!r}")
    gunzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    give_up = time.monotonic() + ANSWER_SECONDS
    body = bytearray()
    for chunk in response.iter_raw():
        try:
            body += gunzip.decompress(chunk, limit + 1 - len(body)) if gunzip else chunk
        except zlib.error as error:
            raise ClientError("bad_answer", f"{response.url}: broken gzip: {error}") from error
        if len(body) > limit:
            raise ClientError("too_large", f"{response.url} sent more than {limit} bytes")
        if time.monotonic() > give_up:
            raise ClientError("timeout", f"{response.url} took longer than {ANSWER_SECONDS:.0f} s")
    return bytes(body)


def _check_pace(where: str, received: int, seconds: float) -> None:
    """A server that sends a byte a minute would otherwise hold its client for ever."""
    if seconds > READ_SECONDS and received < PACE_BYTES * seconds:
        raise ClientError("timeout", f"{where} sends fewer than {PACE_BYTES} bytes a second")


def _refusal(where: str, response: httpx.Response) -> ClientError:
    """The error answer as an exception, with the service's own words if it sent a problem document."""
    status = response.status_code
    if response.is_redirect:
        return ClientError("redirect", f"{where} redirects elsewhere; give the final address", status)
    code, detail = "http_error", response.reason_phrase
    try:
        problem = json.loads(_read(response, ERROR_LIMIT))
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ClientError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return ClientError(code, f"{where} answered {status}: {detail[:500]}", status)
