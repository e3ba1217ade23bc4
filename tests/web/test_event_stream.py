"""Server-sent events: heartbeats, errors before and inside a stream, and a reader who leaves."""

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from web.errors import RequestError
from web.event_stream import stream_events

Cancelled = Callable[[], bool]


@pytest.fixture(autouse=True)
def request_context() -> Iterator[None]:
    with Flask(__name__).test_request_context():
        yield


def test_events_then_done() -> None:
    response = stream_events(lambda cancelled: iter(["a", "b"]), str)
    assert b"".join(response.response) == b"data: a\n\ndata: b\n\ndata: [DONE]\n\n"  # type: ignore[arg-type]


def test_silence_is_bridged_with_comments() -> None:
    go = threading.Event()

    def work(cancelled: Cancelled) -> Iterator[str]:
        go.wait(10)
        yield "late"

    response = stream_events(work, str, heartbeat=0.01)
    events = iter(response.response)
    assert next(events) == b": keep-alive\n\n"
    go.set()
    rest = b"".join(events)  # type: ignore[arg-type]
    assert rest.replace(b": keep-alive\n\n", b"") == b"data: late\n\ndata: [DONE]\n\n"


def test_error_before_the_first_event_is_raised() -> None:
    def work(cancelled: Cancelled) -> Iterator[str]:
        raise RequestError("overloaded", "full", 503)
        yield ""

    with pytest.raises(RequestError, match="full"):
        stream_events(work, str)


def test_error_inside_a_stream_is_an_event_and_ends_it_without_done() -> None:
    def work(cancelled: Cancelled) -> Iterator[str]:
        yield "a"
        raise RequestError("broken", "broken", 500)

    response = stream_events(work, lambda error: f"error: {error}")
    assert b"".join(response.response) == b"data: a\n\ndata: error: broken\n\n"  # type: ignore[arg-type]


def test_reader_who_leaves_is_seen_by_the_work() -> None:
    seen = threading.Event()

    def work(cancelled: Cancelled) -> Iterator[str]:
        yield "a"
        while not cancelled():
            threading.Event().wait(0.005)
        seen.set()

    response = stream_events(work, str)
    assert next(iter(response.response)) == b"data: a\n\n"
    response.close()
    assert seen.wait(10)
