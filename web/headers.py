"""Headers of every answer: what a browser may do with it, and who may read it from another site."""

from apiflask import APIFlask
from flask import Response, request

# For JSON, errors and files; the pages bring their own, wider policy.
CONTENT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
PUBLIC_PATHS = ("/api/", "/tile/", "/checkpoint", "/models/", "/.well-known/", "/openapi.json")
EXPOSED = "ETag, Content-Range, Content-Disposition, Location, X-Request-Id"
PREFLIGHT_PATHS = ("/api/verify",)
PREFLIGHT_SECONDS = "86400"


def add_headers(app: APIFlask) -> None:
    """Set them on every answer of `app`, errors included."""

    @app.after_request
    def finish(response: Response) -> Response:
        return with_headers(response, request.method, request.path)


def with_headers(response: Response, method: str, path: str) -> Response:
    """The answer to a request with this method and path, with the headers that it lacks."""
    headers = response.headers
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if path.startswith(PUBLIC_PATHS):
        _open_to_all(response, method, path)
    else:
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    return response


def _open_to_all(response: Response, method: str, path: str) -> None:
    """Any site may read the log and ask for a verdict: no cookie or key is ever involved.

    Generating is not open, nor is anything else that appends: a foreign page gets no preflight for it.
    """
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = EXPOSED
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if method == "OPTIONS" and path in PREFLIGHT_PATHS:
        headers["Access-Control-Allow-Methods"] = "POST"
        headers["Access-Control-Allow-Headers"] = "Content-Type"
        headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
