"""Assertions about the form of answers, shared by all web tests."""

from typing import TypeVar

from pydantic import BaseModel
from werkzeug.test import TestResponse

from web.openai_schemas import OpenAIError
from web.schemas import ProblemBody

Body = TypeVar("Body", bound=BaseModel)


def body_of(response: TestResponse, shape: type[Body], status: int = 200) -> Body:
    """The answer's body, held against the very model that documents it."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/json"
    return shape.model_validate_json(response.data, strict=True)


def assert_error(response: TestResponse, status: int, code: str, param: str | None = None) -> str:
    """Every error of every route has the shape of its path, and tells nothing about the inside. Returns its text."""
    text = response.get_data(as_text=True)
    assert response.status_code == status, text
    assert "Traceback" not in text and ".py" not in text
    assert response.headers["Cache-Control"] == "no-store"
    if response.request.path.startswith("/v1/"):
        assert response.mimetype == "application/json"
        error = OpenAIError.model_validate_json(response.data).error
        assert error.type == ("server_error" if status >= 500 else "invalid_request_error")
        assert (error.code, error.param) == (code, param)
        return error.message
    assert response.mimetype == "application/problem+json"
    problem = ProblemBody.model_validate_json(response.data)
    assert (problem.status, problem.code, problem.param) == (status, code, param)
    assert problem.type == f"urn:rail:error:{code}"
    return problem.detail
