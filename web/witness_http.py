"""Requests to a witness: bounded in time and size, no redirects, one connection kept alive."""

import time
from hashlib import sha256

import httpx

from ledger.errors import StoreError
from ledger.note import NOTE_BYTES_MAX
from ledger.witness.feed import Answer
from ledger.witness.request import ANSWER_BYTES_MAX
from web.client import normal_url
from web.version import version

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0  # between two pieces of an answer
ANSWER_SECONDS = 20.0  # a whole answer
WAIT_SECONDS_MAX = 300  # the longest Retry-After that is honoured


class WitnessClient:
    """One witness at its submission prefix, which is taken to be its monitoring prefix too. Use from one thread."""

    def __init__(self, url: str) -> None:
        """ClientError `bad_url`."""
        self.url = normal_url(url)
        self.retry_after = 0  # seconds that the last answer asked us to wait
        self._http = httpx.Client(
            headers={"User-Agent": f"rail/{version()}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
        )

    def close(self) -> None:
        self._http.close()

    def add_checkpoint(self, body: bytes) -> Answer:
        """Raises StoreError `witness_unavailable` (retryable) if no answer came."""
        return self._ask("POST", "/add-checkpoint", body, ANSWER_BYTES_MAX)

    def latest(self, origin: str) -> bytes | None:
        """The latest checkpoint of a log that the witness cosigned, unverified; None if it says that it has none."""
        answer = self._ask("GET", f"/{sha256(origin.encode()).hexdigest()}/checkpoint", None, NOTE_BYTES_MAX)
        return answer.body if answer.status == 200 else None

    def _ask(self, method: str, path: str, body: bytes | None, limit: int) -> Answer:
        give_up = time.monotonic() + ANSWER_SECONDS
        received = bytearray()
        try:
            with self._http.stream(method, f"{self.url}{path}", content=body) as response:
                for chunk in response.iter_raw():
                    received += chunk
                    if len(received) > limit or time.monotonic() > give_up:
                        raise _unavailable(self.url, "sends too much, or too slowly")
                self.retry_after = _seconds(response.headers.get("retry-after", ""))
                return Answer(response.status_code, bytes(received))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unavailable(self.url, str(error) or type(error).__name__) from error


def _unavailable(url: str, why: str) -> StoreError:
    return StoreError("witness_unavailable", f"the witness at {url} did not answer: {why}", retryable=True)


def _seconds(text: str) -> int:
    return min(int(text), WAIT_SECONDS_MAX) if text.isascii() and text.isdigit() and len(text) < 10 else 0
