"""Server-sent events from work that runs in a thread of its own.

The work goes at its own pace however slow the reader is, a silent stretch is bridged with comments, and a
reader who leaves is noticed at the next write: `cancelled` then turns true for the work.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flask import Response

HEARTBEAT_SECONDS = 10.0
HEARTBEAT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"

Cancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _End:
    """The work is over; `error` is what ended it, None for a good end."""

    error: Exception | None


def stream_events(
    work: Callable[[Cancelled], Iterator[str]],
    render_error: Callable[[Exception], str],
    heartbeat: float = HEARTBEAT_SECONDS,
) -> Response:
    """A response that sends each text of `work` as one event, then `[DONE]`.

    An error that comes before the first event and within one heartbeat is raised here, so that it gets its own
    status. A later one is sent as an event, rendered by `render_error`, and ends the stream without `[DONE]`.
    """
    events: queue.SimpleQueue[str | _End] = queue.SimpleQueue()
    gone = threading.Event()

    def run() -> None:
        end = _End(None)
        try:
            for text in work(gone.is_set):
                events.put(text)
        except Exception as error:
            end = _End(error)
        events.put(end)

    threading.Thread(target=run, name="event-stream", daemon=True).start()
    first: str | _End | None
    try:
        first = events.get(timeout=heartbeat)
    except queue.Empty:
        first = None
    if isinstance(first, _End) and first.error is not None:
        raise first.error

    def body() -> Iterator[bytes]:
        event = first
        while True:
            if event is None:
                yield HEARTBEAT
            elif isinstance(event, _End):
                yield DONE if event.error is None else _data(render_error(event.error))
                return
            else:
                yield _data(event)
            try:
                event = events.get(timeout=heartbeat)
            except queue.Empty:
                event = None

    response = Response(body(), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(gone.set)
    return response


def _data(text: str) -> bytes:
    return b"data: " + text.encode() + b"\n\n"
