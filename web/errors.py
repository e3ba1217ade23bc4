"""The exceptions of the web layer. `problems` turns them, and all others, into answers."""

from dataclasses import dataclass
from http import HTTPStatus

PROBLEM_TYPE = "urn:rail:error:"


class WebError(Exception):
    """Root of the tree. `code` is stable, `str(error)` is for people, `status` is the HTTP status it becomes."""

    def __init__(self, code: str, message: str, status: int = 500) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class SettingsError(WebError):
    """A setting, or what the home folder holds, that the service cannot start with."""


class RequestError(WebError):
    """A request that cannot be served as it stands. `param` names the field at fault, None for the whole.

    `retry_seconds`: after which the same may be served; None: not by waiting.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, param: str | None = None, retry_seconds: int | None = None
    ) -> None:
        super().__init__(code, message, status)
        self.param = param
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True)
class Problem:
    """What a client learns about an error."""

    status: int
    code: str
    detail: str
    param: str | None = None

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase

    def problem_json(self) -> dict[str, object]:
        """RFC 9457 problem document."""
        body: dict[str, object] = {
            "type": PROBLEM_TYPE + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.param is not None:
            body["param"] = self.param
        return body

    def openai_json(self) -> dict[str, object]:
        """OpenAI's error object."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {"error": {"message": self.detail, "type": kind, "param": self.param, "code": self.code}}
