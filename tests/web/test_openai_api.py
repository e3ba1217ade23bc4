"""/v1: OpenAI's dialect without streams."""

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.shapes import assert_error, body_of
from web.openai_schemas import ChatCompletion, Completion, ModelCard, ModelCards
from web.services import Services

PROMPT = "the cat and the"


def complete(client: FlaskClient, **fields: Any) -> Any:
    return client.post("/v1/completions", json={"model": "tiny", "prompt": PROMPT, **fields})


def post_raw(client: FlaskClient, body: str) -> Any:
    return client.post("/v1/completions", data=body, content_type="application/json")


def test_models_lists_the_loaded_model(client: FlaskClient, services: Services) -> None:
    cards = body_of(client.get("/v1/models"), ModelCards)
    assert [card.id for card in cards.data] == ["tiny"]
    assert cards.data[0].rail.root == services.engine.model.root.hex()
    assert body_of(client.get("/v1/models/tiny"), ModelCard) == cards.data[0]
    assert body_of(client.get(f"/v1/models/{cards.data[0].rail.root}"), ModelCard) == cards.data[0]


def test_unknown_model_is_404(client: FlaskClient) -> None:
    assert_error(client.get("/v1/models/gpt-4"), 404, "model_not_found", "model")
    assert_error(complete(client, model="gpt-4"), 404, "model_not_found", "model")


def test_completion_is_logged_and_says_where(client: FlaskClient, services: Services) -> None:
    answer = body_of(complete(client, seed=7, max_tokens=12), Completion)
    assert answer.system_fingerprint == f"rail-int/2:{services.engine.model.root.hex()[:16]}"
    assert answer.rail.seed == 7
    assert answer.usage.completion_tokens <= 12
    entry = services.log.entry(answer.rail.record_id)
    content = services.log.content(entry.index)
    assert entry.leaf_hash.hex() == answer.rail.leaf_hash
    assert content is not None
    assert (content.prompt_text, content.output_text) == (PROMPT, answer.choices[0].text)
    assert content.visibility == "public"


def test_seed_decides_the_text_at_any_temperature(client: FlaskClient) -> None:
    def text(seed: int) -> str:
        fields = {"seed": seed, "temperature": 1.3, "top_p": 0.95, "top_k": 40, "max_tokens": 20}
        return body_of(complete(client, **fields), Completion).choices[0].text

    assert text(11) == text(11)
    assert len({text(seed) for seed in range(20, 24)}) > 1


def test_fresh_seed_is_drawn_and_returned(client: FlaskClient) -> None:
    first, second = (body_of(complete(client, max_tokens=4), Completion).rail.seed for _ in range(2))
    assert first != second


def test_decimal_numbers_are_taken_exactly(client: FlaskClient, services: Services) -> None:
    answer = body_of(post_raw(client, _body('"temperature": 0.1, "top_p": 0.95, "max_tokens": 2')), Completion)
    sampling = services.log.entry(answer.rail.record_id)
    from ledger.statement import GenerationStatement, open_statement

    payload = open_statement(sampling.statement).payload
    assert isinstance(payload, GenerationStatement)
    assert (payload.sampling.temperature_micro, payload.sampling.top_p_micro) == (100_000, 950_000)


@pytest.mark.parametrize("prompt", [PROMPT, [PROMPT], "ids", ["ids"]])
def test_prompt_forms_mean_the_same(client: FlaskClient, services: Services, prompt: Any) -> None:
    ids = services.engine.encode_prompt(PROMPT)
    prompt = {"ids": ids}.get(prompt, prompt) if isinstance(prompt, str) else prompt
    prompt = [ids] if prompt == ["ids"] else prompt
    answers = [body_of(complete(client, prompt=given, seed=3, max_tokens=8), Completion) for given in (prompt, PROMPT)]
    assert answers[0].choices[0].text == answers[1].choices[0].text
    assert answers[0].usage == answers[1].usage


def test_chat_joins_the_contents_without_a_template(client: FlaskClient, services: Services) -> None:
    messages = [
        {"role": "system", "content": "in the inn"},
        {"role": "user", "content": [{"type": "text", "text": "the "}, {"type": "text", "text": "cat"}]},
    ]
    body = {"model": "tiny", "messages": messages, "seed": 5, "max_completion_tokens": 6}
    answer = body_of(client.post("/v1/chat/completions", json=body), ChatCompletion)
    content = services.log.content(answer.rail.record_id)
    assert content is not None
    assert content.prompt_text == "in the inn\nthe cat"
    assert answer.choices[0].message.content == content.output_text


def test_stop_text_ends_the_completion(client: FlaskClient) -> None:
    whole = body_of(complete(client, seed=1, max_tokens=30), Completion).choices[0].text
    found = re.search(r"[ -~]{3}", whole[4:])  # the tiny model's other bytes are no text to ask for
    assert found is not None
    stop = found[0]
    stopped = body_of(complete(client, seed=1, max_tokens=30, stop=stop), Completion)
    assert stopped.choices[0].text == whole[: whole.index(stop)]
    assert stopped.choices[0].finish_reason == "stop"


def test_private_run_is_not_served_but_its_receipt_opens(client: FlaskClient) -> None:
    answer = body_of(complete(client, rail_visibility="private", max_tokens=5), Completion)
    url, _, key = answer.rail.receipt_url.partition("?key=")
    assert len(key) == 64
    assert json.loads(client.get(url).data)["opening"] is None
    assert json.loads(client.get(answer.rail.receipt_url).data)["opening"]["output"] is not None


def _body(fields: str) -> str:
    return f'{{"model": "tiny", "prompt": "the", {fields}}}'


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ('"seed": -1', "out_of_range", "seed"),
        ('"seed": 9223372036854775808', "out_of_range", "seed"),
        ('"seed": 1.5', "invalid_value", "seed"),
        ('"seed": "7"', "invalid_value", "seed"),
        ('"seed": true', "invalid_value", "seed"),
        ('"seed": 99999999999999999999999999999999999', "invalid_number", None),
        ('"temperature": NaN', "invalid_number", None),
        ('"temperature": Infinity', "invalid_number", None),
        ('"temperature": -0.5', "out_of_range", "temperature"),
        ('"temperature": true', "invalid_value", "temperature"),
        ('"temperature": 101', "out_of_range", "temperature"),
        ('"temperature": 0.0000001', "not_decimal", "temperature"),
        ('"temperature": 1e-999999999', "invalid_number", None),
        ('"temperature": "0.8"', "invalid_value", "temperature"),
        ('"top_p": 0', "out_of_range", "top_p"),
        ('"top_p": 1.1', "out_of_range", "top_p"),
        ('"top_k": -1', "out_of_range", "top_k"),
        ('"max_tokens": 0', "out_of_range", "max_tokens"),
        ('"max_tokens": 1048577', "out_of_range", "max_tokens"),
        ('"stop": ""', "out_of_range", "stop"),
        ('"stop": ["a", "b", "c", "d", "e"]', "out_of_range", "stop"),
        ('"stop": [7]', "invalid_value", "stop.0"),
        ('"n": 2', "unsupported_value", "n"),
        ('"echo": true', "unsupported_value", "echo"),
        ('"logprobs": 5', "unsupported_value", "logprobs"),
        ('"min_p": -0.1', "out_of_range", "min_p"),
        ('"min_p": 1.1', "out_of_range", "min_p"),
        ('"presence_penalty": -2.1', "out_of_range", "presence_penalty"),
        ('"presence_penalty": "1"', "invalid_value", "presence_penalty"),
        ('"frequency_penalty": 2.000001', "out_of_range", "frequency_penalty"),
        ('"frequency_penalty": 0.0000001', "not_decimal", "frequency_penalty"),
        ('"repetition_penalty": 0', "out_of_range", "repetition_penalty"),
        ('"repetition_penalty": -1', "out_of_range", "repetition_penalty"),
        ('"repeat_penalty": 1.1', "unknown_field", "repeat_penalty"),
        ('"logit_bias": [1]', "invalid_value", "logit_bias"),
        ('"logit_bias": {"1": "2"}', "invalid_value", "logit_bias.1"),
        ('"logit_bias": {"1": 101}', "out_of_range", "logit_bias"),
        ('"logit_bias": {"-1": 1}', "not_an_id", "logit_bias"),
        ('"logit_bias": {"the": 1}', "not_an_id", "logit_bias"),
        ('"logit_bias": {"1": 1, "01": 1}', "repeated_id", "logit_bias"),
        ('"logit_bias": {"1": 1, "1": 1}', "duplicate_name", None),
        ('"logit_bias": {"1048575": 1}', "id_out_of_range", "logit_bias"),
        ('"logit_bias": {"1048576": 1}', "out_of_range", "logit_bias"),
        ('"logit_bias": {' + ", ".join(f'"{id}": 1' for id in range(301)) + "}", "invalid_value", "logit_bias"),
        ('"rail_visibility": "secret"', "unsupported_value", "rail_visibility"),
        ('"stream": "yes"', "invalid_value", "stream"),
        ('"seed": 1, "seed": 2', "duplicate_name", None),
    ],
)
def test_bad_value_is_400_with_its_field(
    client: FlaskClient, services: Services, fields: str, code: str, param: str
) -> None:
    size = services.log.size()
    assert_error(post_raw(client, _body(fields)), 400, code, param)
    assert services.log.size() == size


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ('"temperature": "0.5"', "temperature: a number is needed"),
        ('"temperature": true', "temperature: a number is needed"),
        ('"temperature": -1', "temperature is -1, must not be negative"),
        ('"top_p": 0', "top_p is 0, must be above 0 and at most 1"),
        ('"frequency_penalty": -3', "frequency_penalty is -3, must be from -2 to 2"),
        ('"repetition_penalty": 11', "repetition_penalty is 11, must be from 0.01 to 10"),
        ('"logit_bias": {"5": -1000}', "the logit_bias of token id 5 must be from -100 to 100"),
    ],
)
def test_bad_number_is_explained_in_the_terms_of_the_request(client: FlaskClient, fields: str, message: str) -> None:
    assert message in post_raw(client, _body(fields)).get_json()["error"]["message"]


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("a" * 161, "context_length_exceeded"),
        ("a" * 500_000, "context_length_exceeded"),
        ([1] * 160, "context_length_exceeded"),
        ([1, 299], "id_out_of_range"),
        ([1, -1], "id_out_of_range"),
        ([], "context_empty"),
        (["a", "b"], "unsupported_value"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_prompt_is_400_also_for_a_stream(client: FlaskClient, prompt: Any, code: str, stream: bool) -> None:
    assert_error(complete(client, prompt=prompt, stream=stream), 400, code, "prompt")


def test_chat_prompt_longer_than_the_context_names_messages(client: FlaskClient) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "a" * 400}]}
    assert_error(client.post("/v1/chat/completions", json=body), 400, "context_length_exceeded", "messages")


@pytest.mark.parametrize(
    ("messages", "code", "param"),
    [
        ([], "invalid_value", "messages"),
        ([{"role": "tool", "content": "x"}], "unsupported_value", "messages.0.role"),
        ([{"role": "user"}], "missing_field", "messages.0.content"),
    ],
)
def test_bad_messages_are_400(client: FlaskClient, messages: Any, code: str, param: str) -> None:
    body = {"model": "tiny", "messages": messages}
    assert_error(client.post("/v1/chat/completions", json=body), 400, code, param)
