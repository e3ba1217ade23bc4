"""The pages for readers, and their JSON twins. Each view asks the services once and renders; whatever a reader should
not have to believe is checked again in the reader's browser, by static/*.js."""

import time

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask.json import jsonify
from werkzeug.wrappers import Response as BaseResponse

from web.assets import load_assets
from web.current import current_services
from web.growth import curve, growth
from web.listing import audit_page, log_state, model_page, newest, record_page
from web.page_filters import FILTERS
from web.present import log_json, model_json, record_json
from web.problems import Problem
from web.records import find_model, find_record

RECENT_RECORDS = 8
EXAMPLE_PROMPT = "Once upon a time, there was a little fox who"
FOREVER = "public, max-age=31536000, immutable"
# Scripts and styles come from files of this server only, and no script can turn text into markup.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)

blueprint = Blueprint("pages", __name__, template_folder="templates")
assets = load_assets()
blueprint.add_app_template_global(assets.url, "asset")
blueprint.add_app_template_global(assets.modules, "modules")
for _name, _filter in FILTERS.items():
    blueprint.add_app_template_filter(_filter, _name)


@blueprint.get("/assets/<digest>/<name>")
def asset(digest: str, name: str) -> Response:
    """A static file of this version. An older version's path is gone; a page that is loaded again names the new one."""
    found = assets.files.get(name) if digest == assets.digest else None
    if found is None:
        abort(404, "no such file in this version of the pages; load the page again")
    response = Response(found.body, content_type=found.media_type)
    response.headers["Cache-Control"] = FOREVER
    return response


@blueprint.get("/")
def generate() -> Response:
    services = current_services()
    model = services.engine.model
    return _page(
        "generate.html",
        "/",
        model={"name": model.config.name, "root": model.root.hex(), "context_tokens": model.config.context_tokens},
        visibility=services.settings.visibility,
        example_prompt=EXAMPLE_PROMPT,
    )


@blueprint.get("/verify")
def verify() -> Response:
    return _page("verify.html", "/verify", max_text_bytes=current_services().settings.max_text_bytes)


@blueprint.get("/records")
def records() -> Response:
    page = record_page(current_services(), request.args.get("before"))
    query = request.query_string.decode("ascii", errors="replace")
    return _page("records.html", "/records", twin="/records.json" + (f"?{query}" if query else ""), **page)


@blueprint.get("/records.json")
def records_twin() -> Response:
    return jsonify(record_page(current_services(), request.args.get("before")))


@blueprint.get("/records/<name>")
def record(name: str) -> BaseResponse:
    services = current_services()
    entry = find_record(services, name)
    if name != str(entry.index):
        return redirect(f"/records/{entry.index}", 308)
    found = record_json(services, entry)
    twin = f"/records/{entry.index}.json"
    return _page("record.html", "/records", twin=twin, record=found, log=found["log"], vkey=services.log.vkey)


@blueprint.get("/records/<name>.json")
def record_twin(name: str) -> Response:
    services = current_services()
    return jsonify(record_json(services, find_record(services, name)))


@blueprint.get("/models")
def models() -> Response:
    return _page("models.html", "/models", twin="/models.json", **model_page(current_services()))


@blueprint.get("/models.json")
def models_twin() -> Response:
    return jsonify(model_page(current_services()))


@blueprint.get("/models/<root>")
def model(root: str) -> Response:
    services = current_services()
    found = model_json(services, *find_model(services, root))
    return _page("model.html", "/models", twin=f"/models/{root}.json", model=found)


@blueprint.get("/models/<root>.json")
def model_twin(root: str) -> Response:
    services = current_services()
    return jsonify(model_json(services, *find_model(services, root)))


@blueprint.get("/log")
def log() -> Response:
    services = current_services()
    state = log_state(services)
    size = services.log.size()
    recent = newest(services, size, RECENT_RECORDS)
    drawn = curve(growth(services.log, size), int(time.time()))
    return _page("log.html", "/log", twin="/log.json", log=state, recent=recent, curve=drawn)


@blueprint.get("/log.json")
def log_twin() -> Response:
    services = current_services()
    points = growth(services.log, services.log.size())
    return jsonify({**log_state(services), "growth": [point.to_json() for point in points]})


@blueprint.get("/audits")
def audits() -> Response:
    services = current_services()
    own = services.operator.hex()
    return _page("audits.html", "/audits", twin="/audits.json", own_operator=own, **audit_page(services))


@blueprint.get("/audits.json")
def audits_twin() -> Response:
    return jsonify(audit_page(current_services()))


def error_page(problem: Problem) -> Response:
    """An error for a browser that asked for a page."""
    return _with_policy(_page("error.html", "", problem=problem))


def _page(template: str, section: str, twin: str | None = None, **values: object) -> Response:
    """A page of the part of the site that `section` names; `twin` is the path of the same as JSON, None without one."""
    values.setdefault("log", log_json(current_services()))
    url = request.url_root.rstrip("/")
    return make_response(render_template(template, section=section, twin=twin, url=url, **values))


@blueprint.after_request
def _with_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers.setdefault("Cache-Control", "no-store")
    return response
