"""The service's log: one event a line, with what an operator needs and no content."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from web import logs


@contextmanager
def written(form: str, level: str | None = None) -> Iterator[io.StringIO]:
    """What is written to stderr while the log has this form."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level, threading.excepthook)
    root.handlers.clear()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs.sys, "stderr", stream)
            logs.configure(form, level)
        yield stream
    finally:
        root.handlers[:], threading.excepthook = before[0], before[2]
        root.setLevel(before[1])


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_of_json() -> None:
    with written("json") as stream:
        logging.getLogger("web").info("request", extra={"route": "/api/records", "leaf_index": None, "text": "a\nb é"})
    (event,) = events(stream)
    assert event.pop("time").endswith("Z")
    fields = {"route": "/api/records", "leaf_index": None, "text": "a\nb é"}
    assert event == {"level": "info", "event": "request", **fields}
    assert stream.getvalue().isascii() and stream.getvalue().count("\n") == 1


def test_people_see_warnings_only_unless_they_ask_for_more() -> None:
    with written("text") as stream:
        logging.getLogger("web").info("request")
        logging.getLogger("web").warning("unavailable", extra={"code": "disk_full", "endpoint": None})
    assert stream.getvalue().endswith("Z warning unavailable code=disk_full\n")
    assert stream.getvalue().count("\n") == 1
    with written("text", "info") as stream:
        logging.getLogger("web").info("request", extra={"status": 200})
    assert "info request status=200" in stream.getvalue()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("form", logs.FORMATS)
def test_an_exception_is_its_type_and_stack_never_its_message(form: str) -> None:
    secret = " ".join(["the user's", "prompt"])  # not in one piece in the source, which a stack quotes

    def fail() -> None:
        raise KeyError(secret)

    with written(form) as stream:
        try:
            fail()
        except KeyError:
            logging.getLogger("web").exception("failed")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    text = stream.getvalue()
    assert "failed" in text and "thread_ended" in text and "KeyError" in text and "test_logs.py" in text
    assert secret not in text


def test_libraries_do_not_name_urls() -> None:
    with written("json", "info") as stream:
        logging.getLogger("httpx").info("HTTP Request: GET https://rail.example/?key=secret")
    assert stream.getvalue() == ""
