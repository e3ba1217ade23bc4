"""What a service writes to stderr: one event a line, for people or as JSON, and never any content.

    2026-11-26T21:14:13.123Z info request route=/api/records method=POST status=201 leaf_index=12 ...
    {"time": "2026-11-26T21:14:13.123Z", "level": "info", "event": "request", "route": "/api/records", ...}

An event is a log record whose message is the event's name and whose `extra` holds its fields. Of an exception only the
type and the stack are written, because its message may quote a prompt, a key or a request.
"""

import json
import logging
import sys
import threading
import time
import traceback
from types import TracebackType

TEXT, JSON = "text", "json"
FORMATS = (TEXT, JSON)
LEVELS = ("error", "warning", "info")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_log = logging.getLogger(__name__)


def configure(form: str, level: str | None) -> None:
    """Send all events of this process to stderr. `level` None: as JSON requests too (info), as text warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == JSON else TextLines())
    chosen = level or ("info" if form == JSON else "warning")
    logging.basicConfig(handlers=[handler], level=chosen.upper(), force=True)
    for library in ("httpx", "httpcore", "alembic"):  # their info names every URL and step
        logging.getLogger(library).setLevel(logging.WARNING)
    threading.excepthook = _thread_ended


class JsonLines(logging.Formatter):
    """One JSON object a line, ASCII only: `time` (RFC 3339, UTC), `level`, `event`, then the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"time": _time(record), "level": record.levelname.lower(), **_fields(record)}, default=str)


class TextLines(logging.Formatter):
    """The same for people; a stack follows in lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        event, stack = fields.pop("event"), fields.pop("stack", None)
        words = [f"{name}={value}" for name, value in fields.items() if value is not None]
        line = " ".join([_time(record), record.levelname.lower(), str(event), *words])
        return line if stack is None else f"{line}\n{stack}"


def stack_of(trace: TracebackType | None) -> str:
    """Where an exception came from, without its message."""
    return "".join(traceback.format_tb(trace)).rstrip("\n")


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = {"event": record.getMessage()}
    fields |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if record.exc_info and record.exc_info[0] is not None:
        fields |= {"error": record.exc_info[0].__name__, "stack": stack_of(record.exc_info[2])}
    return fields


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03}Z"


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    """A thread that an exception ended is an event like any other, not a traceback with a message."""
    fields = {"error": ended.exc_type.__name__, "stack": stack_of(ended.exc_traceback)}
    _log.error("thread_ended", extra=fields)
