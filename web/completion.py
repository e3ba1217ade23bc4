"""One completion in OpenAI's dialect: from a checked request to the engine's terms, and back to answers and chunks."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from secrets import randbelow, token_hex
from typing import ClassVar

from inference.config import ENGINE
from inference.drain import drain
from inference.errors import ContextError, TokenizerError
from inference.sampling import SamplingParams, micro, parse_logit_bias
from web.chat import render_chat
from web.errors import RequestError
from web.generation import LoggedRun
from web.openai_schemas import SEED_END, ChatRequest, CompletionRequest, GenerationFields, Number
from web.present import Json, run_json
from web.request_log import leaf_noter
from web.services import Services

COMPLETION_TOKENS_DEFAULT = 16  # as OpenAI's /v1/completions; a chat goes on to the end of the context
TEMPERATURE_DEFAULT = 1
FINGERPRINT_DIGITS = 16
_TOO_LONG = ("context_exceeded", "text_too_long")

Prompt = str | tuple[int, ...]


def model_id(services: Services) -> str:
    """The name under which the loaded model is asked for; its root in hexadecimal works as well."""
    return services.engine.model.config.name


def fingerprint(services: Services) -> str:
    """`system_fingerprint`: the engine's contract and the beginning of the model root. Equal means equal bits."""
    model = services.engine.model
    return f"{ENGINE}:{model.root.hex()[:FINGERPRINT_DIGITS]}"


def require_model(services: Services, name: str) -> None:
    """Raise RequestError (`model_not_found`, 404) unless `name` is the loaded model."""
    if name not in (model_id(services), services.engine.model.root.hex()):
        raise RequestError(
            "model_not_found", f"the model {name!r} does not exist here; GET /v1/models lists what does", 404, "model"
        )


class TextShape:
    """How /v1/completions says things."""

    prefix: ClassVar = "cmpl-"
    kind: ClassVar = "text_completion"
    chunk_kind: ClassVar = "text_completion"

    def opening(self) -> list[Json]:
        """Choices of the chunks before the first delta."""
        return []

    def delta(self, text: str, finish: str | None) -> Json:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}

    def whole(self, text: str, finish: str) -> Json:
        return self.delta(text, finish)


class ChatShape:
    """How /v1/chat/completions says the same things."""

    prefix: ClassVar = "chatcmpl-"
    kind: ClassVar = "chat.completion"
    chunk_kind: ClassVar = "chat.completion.chunk"

    def opening(self) -> list[Json]:
        delta = {"role": "assistant", "content": ""}
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]

    def delta(self, text: str, finish: str | None) -> Json:
        delta = {"content": text} if text else {}
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}

    def whole(self, text: str, finish: str) -> Json:
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}


@dataclass(frozen=True, slots=True)
class Job:
    """A request, checked and in the engine's terms."""

    shape: TextShape | ChatShape
    prompt: Prompt
    prompt_field: str  # the field of the request that the prompt came in
    params: SamplingParams
    visibility: str
    streamed: bool
    include_usage: bool


def text_job(services: Services, body: CompletionRequest) -> Job:
    """The job of a /v1/completions request. Raises RequestError or InferenceError."""
    return _job(services, body, TextShape(), _single_prompt(body.prompt), "prompt", COMPLETION_TOKENS_DEFAULT)


def chat_job(services: Services, body: ChatRequest) -> Job:
    """The job of a /v1/chat/completions request. Raises RequestError or InferenceError."""
    engine = services.engine
    if body.max_completion_tokens is not None and body.max_tokens is not None:
        raise RequestError(
            "invalid_value", "give max_tokens or max_completion_tokens, not both", 400, "max_completion_tokens"
        )
    prompt = render_chat(body.messages, engine.model.chat_template, engine.tokenizer)
    limit = body.max_completion_tokens
    if limit is None:
        limit = engine.model.config.context_tokens
    return _job(services, body, ChatShape(), prompt, "messages", limit)


def _job(
    services: Services,
    body: GenerationFields,
    shape: TextShape | ChatShape,
    prompt: Prompt,
    prompt_field: str,
    max_tokens: int,
) -> Job:
    require_model(services, body.model)
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    params = SamplingParams(
        temperature_micro=_micro(body.temperature, TEMPERATURE_DEFAULT, "temperature"),
        top_k=body.top_k or 0,
        top_p_micro=_micro(body.top_p, 1, "top_p"),
        min_p_micro=_micro(body.min_p, 0, "min_p"),
        repetition_micro=_micro(body.repetition_penalty, 1, "repetition_penalty"),
        frequency_micro=_micro(body.frequency_penalty, 0, "frequency_penalty"),
        presence_micro=_micro(body.presence_penalty, 0, "presence_penalty"),
        seed=body.seed if body.seed is not None else randbelow(SEED_END),
        max_tokens=body.max_tokens if body.max_tokens is not None else max_tokens,
        stop=stop,
        logit_bias=parse_logit_bias((id, _decimal(bias)) for id, bias in (body.logit_bias or {}).items()),
    )
    return Job(
        shape=shape,
        prompt=prompt,
        prompt_field=prompt_field,
        params=params,
        visibility=body.rail_visibility or services.settings.visibility,
        streamed=bool(body.stream),
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def _single_prompt(given: str | list[int] | list[str] | list[list[int]]) -> Prompt:
    """One prompt, also where it comes as a list of one."""
    if len(given) == 1 and isinstance(given[0], str | list):
        given = given[0]
    if isinstance(given, str):
        return given
    ids = tuple(item for item in given if isinstance(item, int))
    if len(ids) != len(given):
        raise RequestError("unsupported_value", "send one prompt a request; each becomes a record", 400, "prompt")
    return ids


def _micro(value: Number | None, default: int, parameter: str) -> int:
    return micro(_decimal(default if value is None else value), parameter)


def _decimal(value: Number) -> str:
    return format(Decimal(value), "f")


class Answer:
    """Runs a job once and words the outcome; every part of it has the same envelope."""

    def __init__(self, services: Services, job: Job) -> None:
        self._services = services
        self._job = job
        self._note_leaf = leaf_noter()
        self._head: Json = {"id": job.shape.prefix + token_hex(12)}
        self._tail: Json = {
            "created": int(time.time()),
            "model": model_id(services),
            "system_fingerprint": fingerprint(services),
        }

    def whole(self) -> Json:
        """Run the job and answer in one piece."""
        run = drain(self._run(lambda: False))
        shape = self._job.shape
        choices = [shape.whole(run.text, finish_of(run))]
        return {**self._envelope(shape.kind), "choices": choices, "usage": _usage(run), "rail": run_json(run)}

    def chunks(self, cancelled: Callable[[], bool]) -> Iterator[str]:
        """Run the job and answer in chunks, as JSON texts. The last one carries `rail`: by then the run is logged."""
        shape = self._job.shape
        stream = self._run(cancelled)
        opening = [self._chunk(choice) for choice in shape.opening()]
        while True:
            try:
                text = next(stream)
            except StopIteration as end:
                run: LoggedRun = end.value
                break
            yield from opening
            opening = []
            yield self._chunk(shape.delta(text, None))
        yield from opening
        finish = shape.delta("", finish_of(run))
        if self._job.include_usage:
            yield self._chunk(finish)
            yield self._chunk(None, {"usage": _usage(run), "rail": run_json(run)})
        else:
            yield self._chunk(finish, {"rail": run_json(run)})

    def _run(self, cancelled: Callable[[], bool]) -> Generator[str, None, LoggedRun]:
        """The run; an error about the prompt names the field of the request that it came in."""
        job = self._job
        try:
            run = yield from self._services.generation.stream(job.prompt, job.params, job.visibility, cancelled)
        except (ContextError, TokenizerError) as error:
            code = "context_length_exceeded" if error.code in _TOO_LONG else error.code
            raise RequestError(code, str(error), 400, job.prompt_field) from None
        self._note_leaf(run.entry.index)
        return run

    def _chunk(self, choice: Json | None, extra: Json | None = None) -> str:
        usage: Json = {"usage": None} if self._job.include_usage else {}
        choices = [choice] if choice is not None else []
        body = {**self._envelope(self._job.shape.chunk_kind), "choices": choices, **usage, **(extra or {})}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))

    def _envelope(self, kind: str) -> Json:
        return {**self._head, "object": kind, **self._tail}


def finish_of(run: LoggedRun) -> str:
    """OpenAI knows no "cancelled": a client that is still there sees it as a completion cut short."""
    return "stop" if run.finish == "stop" else "length"


def _usage(run: LoggedRun) -> Json:
    prompt, output = len(run.transcript.prompt_ids), len(run.transcript.output_ids)
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
