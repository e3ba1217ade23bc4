"""Wiring of the WSGI application, and nothing else."""

from apiflask import APIFlask
from flask.json.provider import DefaultJSONProvider

from web import api, metrics, openai_api, operations, pages, private_api, request_log, tlog_api
from web.documentation import complete_document
from web.headers import add_headers
from web.problems import register_error_handlers
from web.request import RailRequest, bound_bodies
from web.services import Services, build_services
from web.settings import Settings
from web.version import version

DESCRIPTION = "Did this text come from a registered model run? Generate, log, verify, replay."


class _Json(DefaultJSONProvider):
    """Members in the order of the documentation, text as UTF-8."""

    sort_keys = False
    ensure_ascii = False


def create_app(target: Settings | Services | None = None) -> APIFlask:
    """The application. One process with threads serves it: the log, the engine and the counters live in it."""
    services = target if isinstance(target, Services) else build_services(target or Settings.from_env())
    app = APIFlask("web", "RAIL", version(), docs_path=None, static_folder=None)  # type: ignore[arg-type]
    app.request_class = RailRequest
    app.description = DESCRIPTION
    app.json = _Json(app)
    app.config.update(AUTO_OPERATION_ID=True, AUTO_VALIDATION_ERROR_RESPONSE=False, AUTO_404_RESPONSE=False)
    app.extensions["rail"] = services
    bound_bodies(app, services.settings)
    register_error_handlers(app, pages.error_page)
    add_headers(app)
    request_log.trace(app)
    metrics.instrument(app, services)
    for module in (openai_api, api, private_api, tlog_api, operations, pages):
        app.register_blueprint(module.blueprint)
    app.spec_processor(complete_document)  # type: ignore[arg-type]
    return app
