"""GenerationService: what is logged, whatever happens to the run or to its consumer."""

from collections.abc import Iterator

import pytest

from inference.errors import ContextError, KernelError
from inference.sampling import SamplingParams
from ledger.statement import GenerationStatement, open_statement
from web.errors import RequestError
from web.generation import GenerationService, LoggedRun
from web.services import Services

PARAMS = SamplingParams(seed=5, temperature_micro=1_500_000, max_tokens=60)


def payload_at(services: Services, index: int) -> GenerationStatement:
    payload = open_statement(services.log.entry(index).statement).payload
    assert isinstance(payload, GenerationStatement)
    return payload


def test_deltas_join_to_the_logged_text(services: Services) -> None:
    stream = services.generation.stream("the cat", PARAMS)
    parts = []
    while True:
        try:
            parts.append(next(stream))
        except StopIteration as end:
            run: LoggedRun = end.value
            break
    content = services.log.content(run.entry.index)
    assert content is not None
    assert "".join(parts) == run.text == content.output_text
    assert run.receipt_key == content.access_key()
    payload = payload_at(services, run.entry.index)
    assert payload.prompt_commitment == content.prompt_commitment()
    assert payload.output_commitment == content.output_commitment()
    assert (payload.prompt_tokens, payload.output_tokens) == (len(content.prompt_ids), len(content.output_ids))
    assert (payload.sampling.seed, payload.sampling.max_tokens) == (5, 60)


def test_each_run_has_its_own_salts_and_counter(services: Services) -> None:
    runs = [services.generation.run("the cat", PARAMS) for _ in range(2)]
    payloads = [payload_at(services, run.entry.index) for run in runs]
    assert runs[0].text == runs[1].text
    assert payloads[0].output_commitment != payloads[1].output_commitment
    assert payloads[1].counter == payloads[0].counter + 1


def test_consumer_that_closes_the_stream_leaves_a_cancelled_record(services: Services) -> None:
    size = services.log.size()
    stream = services.generation.stream("the cat", PARAMS)
    first = next(stream)
    stream.close()
    assert services.log.size() == size + 1
    assert payload_at(services, size).finish == "cancelled"
    content = services.log.content(size)
    assert content is not None
    assert content.output_text.startswith(first)
    assert services.replay.replay(services.log.entry(size)).verdict == "match"


def test_cancelled_run_is_logged_as_such(services: Services) -> None:
    answers: Iterator[bool] = iter([False] * 6 + [True] * 1000)
    run = services.generation.run("the cat", PARAMS, cancelled=lambda: next(answers))
    assert run.finish == payload_at(services, run.entry.index).finish == "cancelled"
    assert 0 < len(run.transcript.output_ids) < 60


def test_failed_run_leaves_no_record(services: Services) -> None:
    size = services.log.size()
    with pytest.raises(ContextError):
        services.generation.run("a" * 1000, PARAMS)

    def fail() -> bool:
        raise KernelError("kernels_failed", "no memory")

    with pytest.raises(KernelError):
        services.generation.run("the cat", PARAMS, cancelled=fail)
    with pytest.raises(RequestError, match="visibility"):
        services.generation.run("the cat", PARAMS, visibility="secret")
    assert services.log.size() == size


def test_more_runs_than_allowed_are_refused_at_once(services: Services) -> None:
    one = GenerationService(services.engine, services.log, services.index, services.signer, runs_max=1)
    waiting = one.stream("the cat", PARAMS)
    next(waiting)
    with pytest.raises(RequestError) as refused:
        one.run("the cat", PARAMS)
    assert (refused.value.code, refused.value.status) == ("overloaded", 503)
    waiting.close()
    assert one.run("the cat", PARAMS).finish in ("stop", "length")
