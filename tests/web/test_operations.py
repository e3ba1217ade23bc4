"""Discovery, health, metrics, headers, and errors of paths and methods that do not exist."""

import logging
from typing import NoReturn

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from inference.sampling import SamplingParams
from ledger.errors import StoreError
from tests.web.shapes import assert_error, body_of
from web import create_app
from web.errors import Problem
from web.logs import JsonLines, TextLines
from web.problems import problem_of
from web.schemas import Discovery, Health, Model, Models, Ready
from web.services import Services


def test_discovery_names_the_log_and_its_key(client: FlaskClient, services: Services) -> None:
    found = body_of(client.get("/.well-known/rail.json"), Discovery)
    assert (found.origin, found.log_vkey) == (services.log.origin, services.log.vkey)
    assert found.operator.id == services.operator.hex()
    for path in found.endpoints.values():
        assert client.options(path).status_code in (200, 404)


def test_health_and_readiness(client: FlaskClient, services: Services) -> None:
    assert body_of(client.get("/health"), Health).status == "ok"
    assert body_of(client.get("/ready"), Ready).log_size == services.log.size()


def test_models_are_listed_with_their_files(client: FlaskClient, services: Services) -> None:
    root = services.engine.model.root.hex()
    found = body_of(client.get("/api/models"), Models).models
    assert [(model.root, model.loaded, model.artifact_url) for model in found] == [(root, True, f"/models/{root}.rail")]
    assert body_of(client.get(f"/api/models/{root}"), Model) == found[0]


def test_metrics_count_without_content(client: FlaskClient) -> None:
    secret = "a secret sentence that nobody should find in any metric or log line"
    client.post("/api/verify", json={"text": secret})
    text = client.get("/metrics").get_data(as_text=True)
    assert 'rail_http_requests_total{endpoint="api.verify",method="POST",status="200"}' in text
    assert 'rail_verdicts_total{verdict="none"}' in text
    assert "rail_log_size" in text
    assert "secret" not in text


def test_two_applications_have_their_own_metrics(services: Services) -> None:
    create_app(services)
    create_app(services)


def test_unknown_paths_and_methods(client: FlaskClient) -> None:
    assert_error(client.get("/v1/nothing"), 404, "not_found")
    assert_error(client.get("/api/nothing"), 404, "not_found")
    assert_error(client.get("/v1/completions"), 405, "method_not_allowed")
    wrong = client.get("/api/verify")
    assert_error(wrong, 405, "method_not_allowed")
    assert "POST" in wrong.headers["Allow"]


@pytest.mark.parametrize("path", ["/health", "/api/nothing", "/checkpoint", "/openapi.json", "/v1/models", "/"])
def test_every_answer_has_the_security_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_other_sites_may_read_and_verify_but_not_generate(client: FlaskClient) -> None:
    preflight = {"Origin": "https://news.test", "Access-Control-Request-Method": "POST"}
    verify = client.options("/api/verify", headers=preflight)
    assert verify.headers["Access-Control-Allow-Origin"] == "*"
    assert verify.headers["Access-Control-Allow-Headers"] == "Content-Type"
    for path in ("/v1/completions", "/api/records"):
        assert "Access-Control-Allow-Headers" not in client.options(path, headers=preflight).headers
    assert "Access-Control-Allow-Origin" not in client.get("/v1/models").headers
    assert client.get("/api/records").headers["Access-Control-Allow-Origin"] == "*"


def test_unforeseen_error_is_500_without_a_word_about_it(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    app: APIFlask = create_app(services)

    prompt = " ".join(["the user's", "secret", "prompt"])  # not in one piece in the source, which a stack quotes

    @app.get("/api/broken")
    def broken() -> str:
        raise KeyError(prompt)

    with caplog.at_level(logging.ERROR):
        message = assert_error(app.test_client().get("/api/broken"), 500, "internal_error")
    assert "prompt" not in message
    text = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert "KeyError" in text and "test_operations.py" in text
    assert prompt not in text


def test_store_that_may_recover_is_503_with_retry_after(services: Services, caplog: pytest.LogCaptureFixture) -> None:
    app: APIFlask = create_app(services)

    @app.get("/api/full")
    def full() -> str:
        raise StoreError("disk_full", "no space left for the database", retryable=True)

    with caplog.at_level(logging.WARNING):
        response = app.test_client().get("/api/full")
    assert_error(response, 503, "disk_full")
    (line,) = [TextLines().format(record) for record in caplog.records]
    assert line.endswith("warning unavailable code=disk_full error=StoreError endpoint=full")
    assert int(response.headers["Retry-After"]) > 0


def test_not_ready_after_a_failed_append_until_one_succeeds(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise StoreError("disk_full", "no space left for the database", retryable=True)

    with monkeypatch.context() as broken:
        broken.setattr(services.log, "submit_many", full)
        with pytest.raises(StoreError):
            services.generation.run("the", SamplingParams(max_tokens=2))
        assert "disk_full" in assert_error(client.get("/ready"), 503, "append_failed")
    assert_error(client.get("/ready"), 503, "append_failed")
    services.generation.run("the", SamplingParams(max_tokens=2))
    assert body_of(client.get("/ready"), Ready).status == "ready"


def test_browser_gets_a_page_and_a_program_a_problem(client: FlaskClient) -> None:
    page = client.get("/nothing", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert_error(client.get("/nothing", headers={"Accept": "*/*"}), 404, "not_found")
    assert_error(client.get("/api/nothing", headers={"Accept": "text/html"}), 404, "not_found")


def test_unknown_exception_maps_to_one_problem() -> None:
    assert problem_of(ZeroDivisionError("x")) == Problem(500, "internal_error", problem_of(ValueError()).detail)
