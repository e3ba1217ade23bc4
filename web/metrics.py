"""Counts and durations for Prometheus. Labels come from fixed sets only: never a prompt, a text or a client."""

import collections
import time
from collections.abc import Callable, Iterable

from apiflask import APIFlask
from flask import Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

from inference.config import ENGINE
from ledger.log import Entry
from web.request_log import METHODS, code_of
from web.service_metrics import ServiceCounts
from web.services import Services
from web.version import version

__all__ = ["CONTENT_TYPE", "Metrics", "current_metrics", "instrument"]

SUBMISSIONS = ("api.submit_record", "api.submit_batch")


class Metrics:
    """The metrics of one application; two in one process do not meet."""

    def __init__(self, services: Services) -> None:
        registry = self._registry = CollectorRegistry()
        self.requests = Counter(
            "rail_http_requests_total", "Requests answered", ["endpoint", "method", "status"], registry=registry
        )
        self.seconds = Histogram(
            "rail_http_request_duration_seconds", "Time until the answer begins", ["endpoint"], registry=registry
        )
        self.in_progress = Gauge("rail_http_requests_in_progress", "Requests that have a thread", registry=registry)
        self.verdicts = Counter("rail_verdicts_total", "Pasted texts verified", ["verdict"], registry=registry)
        self.replays = Counter("rail_replays_total", "Generations replayed on request", ["verdict"], registry=registry)
        self.submissions = Counter(
            "rail_submissions_total",
            "Requests to log statements: new, known or a refusal's code",
            ["outcome"],
            registry=registry,
        )
        self.statements = Counter(
            "rail_statements_total", "New statements of submitters in the log", ["type"], registry=registry
        )
        built = Gauge("rail_build_info", "What runs here; always 1", ["version", "engine"], registry=registry)
        built.labels(version(), ENGINE).set(1)
        registry.register(ServiceCounts(services))
        ProcessCollector(registry=registry)

    def count_connections(self, number: Callable[[], int]) -> None:
        """From now on tell how many connections are open. For whoever runs the server, once."""
        Gauge("rail_http_connections", "Open connections", registry=self._registry).set_function(number)

    def count_entries(self, entries: Iterable[Entry]) -> None:
        """Count those that a submission has added to the log."""
        for kind, number in collections.Counter(entry.type for entry in entries if entry.new).items():
            self.statements.labels(kind).inc(number)

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


def current_metrics() -> Metrics:
    """The metrics of the application that handles the current request."""
    return metrics_of(current_app)  # type: ignore[arg-type]


def metrics_of(app: APIFlask) -> Metrics:
    metrics: Metrics = app.extensions["rail_metrics"]
    return metrics


def instrument(app: APIFlask, services: Services) -> None:
    """Count every request of `app`."""
    metrics = app.extensions["rail_metrics"] = Metrics(services)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()
        metrics.in_progress.inc()

    @app.after_request
    def count(response: Response) -> Response:
        endpoint = request.endpoint or "unknown"
        method = request.method if request.method in METHODS else "other"
        metrics.requests.labels(endpoint, method, response.status_code).inc()
        if "started" in g:
            metrics.seconds.labels(endpoint).observe(time.perf_counter() - g.started)
        if endpoint in SUBMISSIONS and method == "POST":
            accepted = "new" if response.status_code == 201 else "known"
            metrics.submissions.labels(code_of(request.environ) or accepted).inc()
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        if "started" in g:
            metrics.in_progress.dec()
