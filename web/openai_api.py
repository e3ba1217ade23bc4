"""`/v1`: the generation API in OpenAI's dialect. Every answer carries `rail`: where the run is logged."""

import json

from apiflask import APIBlueprint
from flask import Response, jsonify

from inference.config import ENGINE
from web.completion import Answer, Job, chat_job, fingerprint, model_id, require_model, text_job
from web.current import current_services
from web.event_stream import stream_events
from web.openai_schemas import ChatCompletion, ChatRequest, Completion, CompletionRequest, ModelCard, ModelCards
from web.present import Json
from web.problems import log_failure, problem_of
from web.services import Services

blueprint = APIBlueprint("openai", __name__, url_prefix="/v1", tag="OpenAI dialect")


@blueprint.get("/models")
@blueprint.output(ModelCards)
def models() -> Response:
    """List the models that generate here."""
    return jsonify({"object": "list", "data": [_card(current_services())]})


@blueprint.get("/models/<path:name>")
@blueprint.output(ModelCard)
def model(name: str) -> Response:
    """Describe one model, by name or root."""
    services = current_services()
    require_model(services, name)
    return jsonify(_card(services))


@blueprint.post("/completions")
@blueprint.input(CompletionRequest, arg_name="body")
@blueprint.output(Completion)
def completions(body: CompletionRequest) -> Response:
    """Continue a text, and log the run.

    With `stream`, server-sent events: chunks whose texts join to the logged output byte for byte, then `[DONE]`.
    A client that leaves cancels the run; what it made so far is logged.
    """
    services = current_services()
    return _answer(services, text_job(services, body))


@blueprint.post("/chat/completions")
@blueprint.input(ChatRequest, arg_name="body")
@blueprint.output(ChatCompletion)
def chat_completions(body: ChatRequest) -> Response:
    """Answer a chat, and log the run.

    A model without a chat template gets the contents of the messages, one per line, without role names.
    """
    services = current_services()
    return _answer(services, chat_job(services, body))


def _answer(services: Services, job: Job) -> Response:
    answer = Answer(services, job)
    if not job.streamed:
        return jsonify(answer.whole())
    return stream_events(answer.chunks, _error_event)


def _error_event(error: Exception) -> str:
    problem = problem_of(error)
    if problem.status >= 500:
        log_failure(error)
    return json.dumps(problem.openai_json())


def _card(services: Services) -> Json:
    root = services.engine.model.root
    registered = services.log.model(root)
    return {
        "id": model_id(services),
        "object": "model",
        "created": registered[0].time if registered is not None else 0,
        "owned_by": services.settings.operator_name,
        "rail": {
            "root": root.hex(),
            "context_tokens": services.engine.model.config.context_tokens,
            "engine": ENGINE,
            "system_fingerprint": fingerprint(services),
        },
    }
