"""What is remembered of a request for its line in the log: an id, the route, the entry it was about.

The route is the template of the path (`/api/records/<record>`), never the path or the query: these may hold a record's
access key. The id is the client's `X-Request-Id` if that is 1 to 64 letters, digits, `.`, `_` or `-`, so that a proxy's
log and ours can be joined, else a random one; the answer repeats it.
"""

import logging
import re
from collections.abc import Callable, Mapping
from functools import partial
from secrets import token_hex
from typing import Any

from flask import Flask, Response, request

HEADER = "X-Request-Id"
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH")

requests_log = logging.getLogger("web.requests")  # has the event `request`

ID = "[A-Za-z0-9._-]{1,64}"  # a regular expression
_ID = re.compile(ID, re.ASCII)
# In the WSGI environment.
_REQUEST_ID, _ROUTE, _LEAF_INDEX, _CODE = "rail.request_id", "rail.route", "rail.leaf_index", "rail.code"


def trace(app: Flask) -> None:
    """Give every request of `app` an id and remember its route."""

    @app.before_request
    def remember() -> None:
        request.environ[_REQUEST_ID] = _request_id(request.headers.get(HEADER, ""))
        request.environ[_ROUTE] = request.url_rule.rule if request.url_rule is not None else None

    @app.after_request
    def repeat(response: Response) -> Response:
        response.headers[HEADER] = request.environ[_REQUEST_ID]
        return response


def environ_of(method: str, route: str, leaf_index: int, given: str) -> dict[str, object]:
    """What `request_fields` needs of a request that no application saw. `given`: the client's id; empty for none."""
    return {"REQUEST_METHOD": method, _REQUEST_ID: _request_id(given), _ROUTE: route, _LEAF_INDEX: leaf_index}


def note_leaf(index: int) -> None:
    """The current request is about this entry; of several, the first."""
    request.environ[_LEAF_INDEX] = index


def leaf_noter() -> Callable[[int], None]:
    """`note_leaf` of the current request, for work that goes on outside of its context."""
    return partial(request.environ.__setitem__, _LEAF_INDEX)


def note_code(code: str) -> None:
    """The current request is refused with this code."""
    request.environ[_CODE] = code


def code_of(environ: Mapping[str, Any]) -> str | None:
    """Why the request was refused; None if it was not."""
    return environ.get(_CODE)


def request_fields(environ: Mapping[str, Any], status: int, sent: int | None, seconds: float) -> dict[str, object]:
    """The fields of the event `request`. `sent`: bytes of the answer's body."""
    method = environ.get("REQUEST_METHOD")
    return {
        "request_id": environ.get(_REQUEST_ID),
        "method": method if method in METHODS else "other",
        "route": environ.get(_ROUTE),
        "status": status,
        "code": environ.get(_CODE),
        "duration_ms": round(seconds * 1000, 3),
        "bytes": sent,
        "leaf_index": environ.get(_LEAF_INDEX),
    }


def _request_id(given: str) -> str:
    return given if _ID.fullmatch(given) is not None else token_hex(8)
