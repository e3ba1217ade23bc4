"""The one function that turns any exception into a status, a code and a sentence, and the handler that sends it.

Under `/v1` an error is OpenAI's error object; elsewhere it is an RFC 9457 problem document, or a page for a
browser that asks for one. An exception that nobody foresaw is a 500 without details; its stack is logged
without its message, because a message may quote a prompt.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from inference.errors import ContextError, InferenceError, KernelError, SamplingError, TokenizerError
from ledger.errors import (
    LedgerError,
    LogConflict,
    NotFound,
    ParseError,
    ProofInvalid,
    SignatureInvalid,
    StatementRefused,
    StoreError,
)
from web.errors import Problem, RequestError, WebError
from web.logs import stack_of
from web.request_log import note_code

_log = logging.getLogger(__name__)

RETRY_SECONDS = 2
PARAM_CHARS_MAX = 100  # an unknown field's name is the client's own text


# The first class that fits wins. A wrong statement is the client's fault (400), a refused one is well formed
# but not acceptable here (422).
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (SamplingError, 400),
    (TokenizerError, 400),
    (ContextError, 400),
    (KernelError, 503),
    (NotFound, 404),
    (ParseError, 400),
    (SignatureInvalid, 400),
    (ProofInvalid, 400),
    (StatementRefused, 422),
    (LogConflict, 503),
)
_SAMPLING_NAMES = {
    "temperature_micro": "temperature",
    "top_p_micro": "top_p",
    "min_p_micro": "min_p",
    "repetition_micro": "repetition_penalty",
    "frequency_micro": "frequency_penalty",
    "presence_micro": "presence_penalty",
}
_HTTP_CODES = {
    400: "bad_request",
    413: "content_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
}


def problem_of(error: Exception) -> Problem:
    """The problem that a client sees; an unknown exception becomes `internal_error` and says nothing more."""
    if isinstance(error, WebError):
        return Problem(error.status, error.code, str(error), getattr(error, "param", None))
    if isinstance(error, StoreError):
        return Problem(503 if error.retryable else 500, error.code, str(error))
    if isinstance(error, InferenceError | LedgerError):
        for kind, status in _STATUS:
            if isinstance(error, kind):
                param = getattr(error, "parameter", None)
                if isinstance(error, LedgerError) and error.position is not None and _is_batch():
                    param = f"records.{error.position}"
                return Problem(status, error.code, str(error), _SAMPLING_NAMES.get(param or "", param))
    if isinstance(error, ValidationError):
        return _invalid(error)
    if isinstance(error, HTTPError):
        if isinstance(error.__cause__, ValidationError):
            return _invalid(error.__cause__)
        return _plain(error.status_code, error.message or "")
    if isinstance(error, HTTPException):
        return _plain(error.code or 500, error.description or "")
    return Problem(500, "internal_error", "something went wrong here; the operator's log has the details")


def _is_batch() -> bool:
    return bool(request) and request.endpoint == "api.submit_batch"


def _too_large() -> str:
    """What a 413 says: the limit that `request.bound_bodies` set for this endpoint."""
    limit = request.max_content_length if request else None
    known = f"more than the {limit} bytes that this endpoint takes" if limit is not None else "too large"
    return f"the body is {known}; send a shorter text, or split it over several requests"


def _plain(status: int, message: str) -> Problem:
    phrase = HTTPStatus(status).phrase
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        message = _too_large()
    return Problem(status, _HTTP_CODES.get(status, phrase.lower().replace(" ", "_")), message or phrase)


_KINDS: dict[str, tuple[str, str]] = {
    "missing": ("missing_field", "a required field is missing"),
    "extra_forbidden": ("unknown_field", "no such field"),
}
_UNSUPPORTED = ("literal_error", "none_required")


def _invalid(error: ValidationError) -> Problem:
    """One fault of a request: of a field with several forms, that of the form that came closest.

    The value is never repeated: it may be private.
    """
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    fault = max(faults, key=lambda fault: (fault["loc"][:1] == faults[0]["loc"][:1], len(fault["loc"])))
    param = ".".join(str(part) for part in fault["loc"] if not _is_union_branch(part))[:PARAM_CHARS_MAX] or None
    default = "unsupported_value" if fault["type"] in _UNSUPPORTED else "invalid_value"
    code, message = _KINDS.get(fault["type"], (default, fault["msg"][:1].lower() + fault["msg"][1:]))
    return Problem(400, code, f"{param or 'the body'}: {message}", param)


def _is_union_branch(part: int | str) -> bool:
    """Pydantic puts the tried type of a union into the path; the client knows only its own field names."""
    return isinstance(part, str) and ("[" in part or part in ("int", "str", "decimal", "bool", "float"))


def register_error_handlers(app: APIFlask, error_page: Callable[[Problem], Response] | None = None) -> None:
    """Answer every exception of `app` with a problem in the shape of its path.

    `error_page` renders a problem for a browser; without it browsers get the problem document too.
    """

    def respond(error: Exception) -> Response:
        problem = problem_of(error)
        note_code(problem.code)
        if problem.status >= 500:
            log_failure(error)
        response = _render(problem, error_page)
        response.status_code = problem.status
        for name, value in _headers_of(error):
            response.headers[name] = value
        if problem.status == 503:
            response.headers["Retry-After"] = str(RETRY_SECONDS)
        if isinstance(error, RequestError) and error.retry_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_seconds)
        response.headers["Cache-Control"] = "no-store"
        return response

    app.error_processor(respond)
    app.register_error_handler(Exception, respond)


def _render(problem: Problem, error_page: Callable[[Problem], Response] | None) -> Response:
    """The problem in the form that suits the path and the client."""
    if request.path.startswith("/v1/"):
        return jsonify(problem.openai_json())
    if error_page is not None and _wants_page():
        try:
            return error_page(problem)
        except LedgerError as error:  # a page shows the log's size; without a database there is none
            log_failure(error)
    response = jsonify(problem.problem_json())
    response.mimetype = "application/problem+json"
    return response


def _wants_page() -> bool:
    if request.path.startswith(("/v1/", "/api/", "/tile/", "/checkpoint")):
        return False
    return request.accept_mimetypes.best_match(["application/problem+json", "text/html"]) == "text/html"


def _headers_of(error: Exception) -> list[tuple[str, str]]:
    """Headers that belong to the status: Allow of a 405, Content-Range of a 416, Location of a redirect."""
    if isinstance(error, HTTPError):
        given = [(name, str(value)) for name, value in dict(error.headers).items()]
    elif isinstance(error, HTTPException):
        given = list(error.get_headers())
    else:
        given = []
    return [(name, value) for name, value in given if name.lower() not in ("content-type", "content-length")]


def log_failure(error: Exception) -> None:
    """Log an error by its code if a retry may help, else where it came from: type and stack, never its message."""
    problem = problem_of(error)
    fields = {"code": problem.code, "error": type(error).__name__, "endpoint": request.endpoint if request else None}
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.warning("unavailable", extra=fields)
    else:
        _log.error("failed", extra={**fields, "stack": stack_of(error.__traceback__)})
