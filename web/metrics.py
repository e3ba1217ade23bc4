"""Counts and durations for Prometheus. Labels come from fixed sets only: never a prompt, a text or a client."""

import time
from collections.abc import Iterator

from apiflask import APIFlask
from flask import Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client.registry import Collector

from web.services import Services

__all__ = ["CONTENT_TYPE", "Metrics", "current_metrics", "instrument"]

METHODS = ("GET", "HEAD", "POST", "OPTIONS")


class Metrics:
    """The metrics of one application; two in one process do not meet."""

    def __init__(self, services: Services) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "rail_http_requests", "Requests answered", ["endpoint", "method", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "rail_http_request_seconds", "Time until the answer begins", ["endpoint"], registry=self._registry
        )
        self.verdicts = Counter("rail_verdicts", "Pasted texts verified", ["verdict"], registry=self._registry)
        self._registry.register(_ServiceCounts(services))

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _ServiceCounts(Collector):
    """What the services count themselves, read when asked."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        totals = self._services.generation.totals()
        runs = CounterMetricFamily("rail_generations", "Logged generations", labels=["finish"])
        for finish, count in sorted(totals.runs.items()):
            runs.add_metric([finish], count)
        yield runs
        yield CounterMetricFamily("rail_prompt_tokens", "Prompt tokens of logged generations", totals.prompt_tokens)
        yield CounterMetricFamily("rail_output_tokens", "Output tokens of logged generations", totals.output_tokens)
        yield GaugeMetricFamily("rail_log_size", "Entries in the log", self._services.log.size())
        feeder, cosigned = self._services.feeder, self._services.publication.cosigned
        if feeder is None or cosigned is None:
            return
        witnessed = cosigned.witnessed(self._services.log.size())
        size = witnessed.size if witnessed is not None else 0
        yield GaugeMetricFamily("rail_witnessed_size", "Entries that a quorum of witnesses has cosigned", size)
        failures = GaugeMetricFamily("rail_witness_failures", "Failures in a row of a witness", labels=["witness"])
        for state in feeder.states():
            failures.add_metric([state.name], state.failures)
        yield failures


def current_metrics() -> Metrics:
    """The metrics of the application that handles the current request."""
    metrics: Metrics = current_app.extensions["rail_metrics"]
    return metrics


def instrument(app: APIFlask, services: Services) -> None:
    """Count every request of `app`."""
    metrics = app.extensions["rail_metrics"] = Metrics(services)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        endpoint = request.endpoint or "unknown"
        method = request.method if request.method in METHODS else "other"
        metrics.requests.labels(endpoint, method, response.status_code).inc()
        if "started" in g:
            metrics.seconds.labels(endpoint).observe(time.perf_counter() - g.started)
        return response
