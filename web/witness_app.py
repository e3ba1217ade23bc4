"""A witness over HTTP (C2SP tlog-witness): add-checkpoint, and the latest cosigned checkpoint of each log."""

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ledger.errors import LedgerError, NotFound, ParseError, ProofInvalid, SignatureInvalid, StoreError
from ledger.witness import StaleSize, Witness
from ledger.witness.rates import RateLimited
from ledger.witness.request import REQUEST_BYTES_MAX, SIZE_TYPE, format_size
from web import request_log

TEXT_TYPE = "text/plain; charset=utf-8"
RETRY_SECONDS = 2

_STATUS: tuple[tuple[type[LedgerError], int], ...] = (
    (ParseError, 400),
    (SignatureInvalid, 403),
    (NotFound, 404),
    (StaleSize, 409),
    (ProofInvalid, 422),
    (StoreError, 503),
)

_log = logging.getLogger(__name__)


def create_witness_app(witness: Witness) -> Flask:
    """The WSGI application. Submission and monitoring prefix are the address it is served at."""
    app = Flask("web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = REQUEST_BYTES_MAX
    request_log.trace(app)

    @app.post("/add-checkpoint")
    def add_checkpoint() -> Response:
        return _text(witness.add_checkpoint(request.get_data(cache=False)))

    @app.get("/<string(length=64):origin_hash>/checkpoint")
    def latest(origin_hash: str) -> Response:
        return _text(witness.latest(origin_hash))

    @app.get("/")
    def about() -> Response:
        return _text("".join(f"{key.vkey}\n" for key in witness.keys).encode())

    @app.get("/health")
    def health() -> Response:
        witness.logs()  # the database answers
        return _text(b"ok\n")

    @app.errorhandler(Exception)
    def refuse(error: Exception) -> Response:
        if isinstance(error, StaleSize):
            return _text(format_size(error.size), 409, SIZE_TYPE)
        if isinstance(error, HTTPException):
            response = _text(f"{error.name}\n".encode(), error.code or 500)
            response.headers.extend((name, value) for name, value in error.get_headers() if name == "Allow")
            return response
        if isinstance(error, RateLimited):
            response = _text(f"[{error.code}] {error}\n".encode(), 429)
            response.headers["Retry-After"] = str(error.seconds)
            return response
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        if status >= 500:
            code = error.code if isinstance(error, LedgerError) else "internal_error"
            _log.error("failed", extra={"code": code, "error": type(error).__name__})
        sentence = f"[{error.code}] {error}" if isinstance(error, LedgerError) else "internal error"
        response = _text(f"{sentence}\n".encode("utf-8", "backslashreplace"), status)
        if status == 503:
            response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response

    return app


def _text(body: bytes, status: int = 200, content_type: str = TEXT_TYPE) -> Response:
    response = Response(body, status, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
