"""The real `openai` client against a live server: what applications do."""

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import openai
import pytest

from inference.models import default_model_path
from ledger.statement import GenerationStatement, open_statement
from tests.web.conftest import served, settings_in
from web import create_app
from web.openai_schemas import ChatChunk, CompletionChunk, RailRun
from web.services import Services, build_services

PROMPT = "the cat and the"
MESSAGES = [{"role": "user", "content": PROMPT}]
# At a high temperature the tiny model samples many byte pieces: characters and faults span tokens.
WILD = {"seed": 3, "temperature": 5, "max_tokens": 120}


@pytest.fixture(scope="module")
def openai_client(live_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live_url}/v1", api_key="none", max_retries=0) as client:
        yield client


def rail_of(answer: object) -> RailRun:
    return RailRun.model_validate(answer.rail)  # type: ignore[attr-defined]


def logged_output(services: Services, record_id: int) -> str:
    content = services.log.content(record_id)
    assert content is not None
    return content.output_text


def test_models(openai_client: openai.OpenAI) -> None:
    (model,) = openai_client.models.list()
    assert openai_client.models.retrieve(model.id) == model


def test_completion(openai_client: openai.OpenAI, services: Services) -> None:
    answer = openai_client.completions.create(model="tiny", prompt=PROMPT, **WILD)
    assert answer.choices[0].text == logged_output(services, rail_of(answer).record_id)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat(openai_client: openai.OpenAI, services: Services) -> None:
    answer = openai_client.chat.completions.create(model="tiny", messages=MESSAGES, **WILD)  # type: ignore[call-overload]
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == logged_output(services, rail_of(answer).record_id)


STEERED = {
    "seed": 3,
    "temperature": 2.5,
    "top_p": 0.98,
    "max_tokens": 60,
    "presence_penalty": -0.4,
    "frequency_penalty": 1.25,
    "logit_bias": {"70": 3, "71": -100, "12": 0.5},
    "extra_body": {"min_p": 0.01, "repetition_penalty": 1.15, "top_k": 200},
}


@pytest.mark.parametrize("stream", [False, True])
def test_penalties_and_biases_are_logged_and_replay(
    openai_client: openai.OpenAI, services: Services, stream: bool
) -> None:
    answer = openai_client.completions.create(model="tiny", prompt=PROMPT, stream=stream, **STEERED)  # type: ignore[call-overload]
    record = rail_of(list(answer)[-1] if stream else answer).record_id
    entry = services.log.entry(record)
    payload, content = open_statement(entry.statement).payload, services.log.content(record)
    assert isinstance(payload, GenerationStatement) and content is not None
    sampling = payload.sampling
    assert (sampling.min_p_micro, sampling.repetition_micro) == (10_000, 1_150_000)
    assert (sampling.frequency_micro, sampling.presence_micro) == (1_250_000, -400_000)
    assert sampling.logit_biases == 3
    assert content.logit_bias == ((12, 500_000), (70, 3_000_000), (71, -100_000_000))
    assert 71 not in content.output_ids
    assert len(entry.statement) < 1000
    assert services.replay.replay(entry).verdict == "match"
    plain = openai_client.completions.create(model="tiny", prompt=PROMPT, seed=3, temperature=2.5, max_tokens=60)
    assert plain.choices[0].text != content.output_text


def test_chat_takes_them_too(openai_client: openai.OpenAI, services: Services) -> None:
    answer = openai_client.chat.completions.create(model="tiny", messages=MESSAGES, **STEERED)  # type: ignore[call-overload]
    assert services.replay.replay(services.log.entry(rail_of(answer).record_id)).verdict == "match"


def test_a_bias_on_a_token_that_does_not_exist_is_a_bad_request(openai_client: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            openai_client.completions.create(model="tiny", prompt=PROMPT, logit_bias={"50256": -100}, stream=stream)
        assert (caught.value.code, caught.value.param) == ("id_out_of_range", "logit_bias")


def test_streamed_completion_joins_to_the_logged_text(openai_client: openai.OpenAI, services: Services) -> None:
    chunks = list(openai_client.completions.create(model="tiny", prompt=PROMPT, stream=True, **WILD))
    assert len({(chunk.id, chunk.created, chunk.model, chunk.system_fingerprint) for chunk in chunks}) == 1
    text = "".join(chunk.choices[0].text for chunk in chunks)
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert text == logged_output(services, rail_of(chunks[-1]).record_id)
    assert not any("rail" in (chunk.model_extra or {}) for chunk in chunks[:-1])
    whole = openai_client.completions.create(model="tiny", prompt=PROMPT, **WILD)
    assert whole.choices[0].text == text


def test_streamed_chat_has_role_deltas_finish_and_usage(openai_client: openai.OpenAI, services: Services) -> None:
    stream = openai_client.chat.completions.create(  # type: ignore[call-overload]
        model="tiny", messages=MESSAGES, stream=True, stream_options={"include_usage": True}, **WILD
    )
    first, *deltas, finish, usage = list(stream)
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    text = "".join(chunk.choices[0].delta.content for chunk in deltas)
    assert finish.choices[0].delta.content is None
    assert finish.choices[0].finish_reason in ("stop", "length")
    assert usage.choices == []
    assert usage.usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in (first, *deltas, finish))
    assert text == logged_output(services, rail_of(usage).record_id)


@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_client_s_own_exceptions(openai_client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.completions.create(model="gpt-4", prompt=PROMPT, stream=stream)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as seed:
        openai_client.completions.create(model="tiny", prompt=PROMPT, seed=2**63, stream=stream)
    assert (seed.value.code, seed.value.param) == ("out_of_range", "seed")
    with pytest.raises(openai.BadRequestError) as prompt:
        openai_client.completions.create(model="tiny", prompt="z" * 1000, stream=stream)
    assert (prompt.value.code, prompt.value.param) == ("context_length_exceeded", "prompt")


def test_events_on_the_wire(live_url: str) -> None:
    """Every event is one documented chunk; nothing follows [DONE]."""
    for path, prompt, shape in (
        ("/v1/completions", {"prompt": PROMPT}, CompletionChunk),
        ("/v1/chat/completions", {"messages": MESSAGES}, ChatChunk),
    ):
        connection = http.client.HTTPConnection(urlsplit(live_url).netloc, timeout=30)
        body = {"model": "tiny", "stream": True, "stream_options": {"include_usage": True}, **prompt, **WILD}
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.headers.get_content_type() == "text/event-stream"
        assert response.headers["X-Accel-Buffering"] == "no"
        *events, done, end = response.read().decode().split("\n\n")
        connection.close()
        assert (done, end) == ("data: [DONE]", "")
        for event in events:
            shape.model_validate_json(event.removeprefix("data: "), strict=True)


def test_client_that_leaves_cancels_and_what_it_got_is_logged(tmp_path: Path) -> None:
    """With the shipped model, whose 400 tokens take far longer than a closed connection needs to show."""
    services = build_services(settings_in(tmp_path / "home", default_model_path()))
    with served(create_app(services)) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        name, size = services.engine.model.config.name, services.log.size()
        stream = client.completions.create(
            model=name, prompt="Once upon a time", stream=True, seed=3, temperature=1, max_tokens=400
        )
        text = next(iter(stream)).choices[0].text
        stream.close()
        give_up = time.monotonic() + 20
        while services.log.size() == size and time.monotonic() < give_up:
            time.sleep(0.02)
    entry = services.log.entry(size)
    payload = open_statement(entry.statement).payload
    assert isinstance(payload, GenerationStatement)
    assert payload.finish == "cancelled"
    assert 0 < payload.output_tokens < 400
    assert logged_output(services, size).startswith(text)
    assert services.replay.replay(entry).verdict == "match"
    services.close()
