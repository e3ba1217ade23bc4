"""One kept-alive HTTP connection of the standard library: a quarter of the cost of a full client, for load."""

import http.client
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from web.client import ClientError

ANSWER_BYTES_MAX = 8 << 20
SECONDS_MAX = 60.0


class Wire:
    """Not for several threads. Reconnects by itself after a failure."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=SECONDS_MAX)
        self._prefix = parts.path.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._connection.close()

    def post(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        """(status, body). ClientError `unreachable`, `too_large`."""
        try:
            self._connection.request("POST", self._prefix + path, body, {"Content-Type": content_type})
            answer = self._connection.getresponse()
            data = answer.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ClientError("unreachable", f"{type(error).__name__}: {error}") from error
        if len(data) > ANSWER_BYTES_MAX:
            self._connection.close()
            raise ClientError("too_large", f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        return answer.status, data
