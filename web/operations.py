"""Discovery and operations: what this service is, whether it works, and its numbers."""

from apiflask import APIBlueprint
from flask import Response, jsonify

from inference.config import ENGINE
from web.current import current_services
from web.errors import RequestError
from web.metrics import CONTENT_TYPE, current_metrics
from web.present import model_name, operator_json
from web.schemas import Discovery, Health, Ready
from web.version import version

blueprint = APIBlueprint("operations", __name__, tag="Operations")

ENDPOINTS = {
    "completions": "/v1/completions",
    "chat_completions": "/v1/chat/completions",
    "verify": "/api/verify",
    "records": "/api/records",
    "batch": "/api/records/batch",
    "operators": "/api/operators",
    "models": "/api/models",
    "checkpoint": "/checkpoint",
    "tiles": "/tile/",
    "openapi": "/openapi.json",
}


@blueprint.get("/.well-known/rail.json")
@blueprint.output(Discovery)
def discovery() -> Response:
    """Say who runs this service, on which model, and with which key its log is signed."""
    services = current_services()
    return jsonify(
        {
            "name": "RAIL",
            "version": version(),
            "origin": services.log.origin,
            "log_vkey": services.log.vkey,
            "operator": operator_json(services, services.operator),
            "engine": ENGINE,
            "model": model_name(services, services.engine.model.root),
            "endpoints": ENDPOINTS,
        }
    )


@blueprint.get("/health")
@blueprint.output(Health)
def health() -> Response:
    """Say that the process answers."""
    return jsonify({"status": "ok"})


@blueprint.get("/ready")
@blueprint.output(Ready)
def ready() -> Response:
    """Say that the database answers, the model is loaded and the log takes entries.

    503 while the database does not answer, and after an append that the store failed until one succeeds again.
    """
    services = current_services()
    failure = services.signer.appender.failure
    if failure is not None:
        raise RequestError(
            "append_failed", f"the last append to the log failed ({failure}) and none has succeeded since", 503
        )
    return jsonify({"status": "ready", "log_size": services.log.size(), "model": services.engine.model.root.hex()})


@blueprint.get("/metrics")
def metrics() -> Response:
    """Get counts for Prometheus; never a prompt or a text."""
    return Response(current_metrics().render(), content_type=CONTENT_TYPE)
