"""Generation on the tiny model: the bits do not depend on how they are computed, and bad input is refused."""

import hashlib
import threading
import time
from collections.abc import Generator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import native
from inference.engine import Engine
from inference.errors import ContextError, KernelError, ModelFileError, SamplingError, TokenizerError
from inference.modelfile import ModelFile
from inference.reference import ReferenceEngine
from inference.reference_sampler import Draw, distribution, pick
from inference.sampling import SamplingParams
from inference.transcript import Transcript

GREEDY = SamplingParams(max_tokens=60)
DRAWN = SamplingParams(temperature_micro=900_000, top_k=50, top_p_micro=950_000, seed=11, max_tokens=60)
EVERYTHING = SamplingParams(
    temperature_micro=1_700_000,
    top_k=100,
    top_p_micro=990_000,
    min_p_micro=500,
    repetition_micro=1_300_000,
    frequency_micro=700_000,
    presence_micro=-400_000,
    seed=19,
    max_tokens=60,
    logit_bias=((12, 1_500_000), (72, -2_250_000), (226, 3_000_000)),
)
FROZEN_IDS = (231, 153, 297, 153, 153, 153, 297, 216)
FROZEN_DIGEST = "d6b879241e58df713f6cd823fff819f6ef6229da1e60141dd08702ae7ecd69be"


def finish(run: Generator[str, None, Transcript]) -> tuple[Transcript, list[str]]:
    deltas = []
    while True:
        try:
            deltas.append(next(run))
        except StopIteration as end:
            return end.value, deltas


@pytest.mark.parametrize("params", [GREEDY, DRAWN, EVERYTHING], ids=["greedy", "drawn", "everything"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kernels", native.backends())
def test_kernel_sets_and_threads_give_the_same_transcript(
    kernels: str, threads: int, params: SamplingParams, tiny_path: Path, tiny_engine: Engine
) -> None:
    engine = Engine(ModelFile.open(tiny_path), threads, kernels)
    assert (engine.kernels, engine.threads) == (kernels, threads)
    prompt = engine.encode_prompt("the cat and the hat")
    assert finish(engine.generate(prompt, params))[0] == finish(tiny_engine.generate(prompt, params))[0]


def test_engine_gives_the_bits_of_the_reference(tiny_engine: Engine) -> None:
    model = tiny_engine.model
    ids = tiny_engine.encode_prompt("the cat and the hat")[:12]
    reference = ReferenceEngine(model.config, model.tensors, model.exponents)
    assert np.array_equal(tiny_engine.logits(ids), reference.forward(ids))


def test_whole_greedy_run_is_that_of_the_reference(tiny_engine: Engine) -> None:
    model = tiny_engine.model
    transcript, _ = finish(tiny_engine.generate([1, 40, 41], replace(GREEDY, max_tokens=25)))
    reference = ReferenceEngine(model.config, model.tensors, model.exponents)
    logits, ids = reference.forward([1, 40, 41])[-1], []
    while len(ids) < len(transcript.output_ids):
        ids.append(int(logits.argmax()))  # the lowest id of equals
        logits = reference.forward(ids[-1:])[-1]
    assert tuple(ids) == transcript.output_ids


@pytest.mark.parametrize("params", [EVERYTHING, replace(EVERYTHING, temperature_micro=0)], ids=["drawn", "greedy"])
def test_whole_run_with_every_parameter_is_that_of_the_reference(params: SamplingParams, tiny_engine: Engine) -> None:
    prompt, model = [1, 40, 41, 40], tiny_engine.model
    transcript, _ = finish(tiny_engine.generate(prompt, replace(params, max_tokens=25)))
    reference = ReferenceEngine(model.config, model.tensors, model.exponents)
    values = {field.name: getattr(params, field.name) for field in fields(Draw) if field.name != "logit_bias"}
    draw = Draw(**values, logit_bias=dict(params.logit_bias))
    logits, ids = reference.forward(prompt)[-1], []
    while len(ids) < len(transcript.output_ids):
        weights = distribution(logits.tolist(), draw, prompt, ids)
        ids.append(pick(weights, draw.seed, len(prompt) + len(ids)))
        logits = reference.forward(ids[-1:])[-1]
    assert tuple(ids) == transcript.output_ids


def test_penalties_act_on_what_the_run_has_so_far(tiny_engine: Engine) -> None:
    """A rewarded token comes again and again, a penalised one does not; the prompt counts for repetition only."""

    def distinct(prompt: list[int], **penalty: int) -> int:
        return len(set(finish(tiny_engine.generate(prompt, replace(DRAWN, **penalty)))[0].output_ids))

    for name in ("frequency_micro", "presence_micro"):
        assert distinct([1], **{name: -2_000_000}) < distinct([1], **{name: 2_000_000})
    first = finish(tiny_engine.generate([1, 40], GREEDY))[0].output_ids[0]
    prompt = [1, first, 40]
    plain = finish(tiny_engine.generate(prompt, replace(GREEDY, max_tokens=1)))[0]
    for penalty in ({"frequency_micro": 2_000_000}, {"presence_micro": 2_000_000}):
        again = finish(tiny_engine.generate(prompt, replace(GREEDY, max_tokens=1, **penalty)))[0]
        assert again.output_ids == plain.output_ids


def test_bias_bans_and_forces(tiny_engine: Engine) -> None:
    forced, _ = finish(tiny_engine.generate([1], replace(DRAWN, logit_bias=((77, 100_000_000),))))
    assert set(forced.output_ids) == {77}
    free = finish(tiny_engine.generate([1], GREEDY))[0].output_ids
    banned = finish(tiny_engine.generate([1], replace(GREEDY, logit_bias=((free[0], -100_000_000),))))[0].output_ids
    assert free[0] not in banned


def test_bias_on_a_token_that_does_not_exist_is_refused_at_once(tiny_engine: Engine) -> None:
    vocab = tiny_engine.model.config.vocab_size
    finish(tiny_engine.generate([1], replace(DRAWN, max_tokens=1, logit_bias=((vocab - 1, 1),))))
    with pytest.raises(SamplingError) as caught:
        tiny_engine.generate([1], replace(DRAWN, logit_bias=((vocab, 1),)))
    assert (caught.value.code, caught.value.parameter) == ("id_out_of_range", "logit_bias")


def test_drawn_run_is_frozen(tiny_engine: Engine) -> None:
    """Another digest means another engine: it must not be called rail-int/2."""
    transcript, _ = finish(tiny_engine.generate([1, 40, 41], DRAWN))
    assert transcript.output_ids[:8] == FROZEN_IDS
    digest = hashlib.sha256(" ".join(map(str, transcript.output_ids)).encode()).hexdigest()
    assert digest == FROZEN_DIGEST


def test_deltas_join_to_the_text_of_the_transcript(tiny_engine: Engine) -> None:
    for seed in range(20):
        params = replace(DRAWN, seed=seed, stop=("e", "q "))
        transcript, deltas = finish(tiny_engine.generate([1], params))
        assert "".join(deltas) == transcript.text
        assert "" not in deltas
        assert transcript.prompt_ids == (1,)
        assert len(transcript.output_ids) <= 60


def test_seed_decides_and_greedy_ignores_it(tiny_engine: Engine) -> None:
    def ids(params: SamplingParams) -> tuple[int, ...]:
        return finish(tiny_engine.generate([1], params))[0].output_ids

    assert len({ids(replace(DRAWN, seed=seed)) for seed in range(8)}) == 8
    assert len({ids(replace(GREEDY, seed=seed)) for seed in range(8)}) == 1
    assert ids(DRAWN) == ids(DRAWN)


def test_run_goes_on_where_a_shorter_one_ended(tiny_engine: Engine) -> None:
    """Draws are numbered by the place in the sequence, so prompt plus output is a prompt that continues the run."""
    whole = finish(tiny_engine.generate([1, 5, 9], DRAWN))[0].output_ids
    rest = finish(tiny_engine.generate([1, 5, 9, *whole[:20]], replace(DRAWN, max_tokens=40)))[0].output_ids
    assert whole[20:] == rest


def test_context_end_finishes_with_length(tiny_engine: Engine) -> None:
    context = tiny_engine.model.config.context_tokens
    params = SamplingParams(temperature_micro=5_000_000, max_tokens=1 << 20)
    for size in (context - 1, context - 3):
        transcript, _ = finish(tiny_engine.generate([1] + [40] * (size - 1), params))
        assert transcript.finish_reason == "length"
        assert len(transcript.output_ids) == context - size


@pytest.mark.parametrize("extra", [0, 1, 1000])
def test_prompt_that_fills_the_context_is_refused(extra: int, tiny_engine: Engine) -> None:
    context = tiny_engine.model.config.context_tokens
    with pytest.raises(ContextError) as caught:
        tiny_engine.generate([1] * (context + extra), GREEDY)
    error = caught.value
    assert (error.code, error.tokens, error.limit) == ("context_exceeded", context + extra, context)


def test_prompt_of_ten_megabytes_is_refused_at_once(tiny_engine: Engine) -> None:
    started = time.monotonic()
    for text in ("word " * 2_000_000, "你" * 3_333_333, "\u200b" * 10_000_000):
        with pytest.raises(ContextError) as caught:
            tiny_engine.encode_prompt(text)
        assert caught.value.code == "context_exceeded"
        assert caught.value.tokens >= caught.value.limit
    assert time.monotonic() - started < 1


def test_prompt_just_too_long_is_refused(tiny_engine: Engine) -> None:
    context = tiny_engine.model.config.context_tokens
    for size, fits in ((context - 3, True), (context - 2, False)):  # BOS and the space before the text are two more
        text = "q" * size
        if fits:
            assert len(tiny_engine.encode_prompt(text)) == context - 1
        else:
            with pytest.raises(ContextError):
                tiny_engine.encode_prompt(text)


def test_empty_text_is_bos_alone_and_no_ids_are_refused(tiny_engine: Engine) -> None:
    assert tiny_engine.encode_prompt("") == [tiny_engine.tokenizer.bos_id]
    with pytest.raises(ContextError) as caught:
        tiny_engine.generate([], GREEDY)
    assert caught.value.code == "context_empty"
    with pytest.raises(TokenizerError):
        tiny_engine.encode_prompt("\ud800")


@pytest.mark.parametrize("id", [-1, 1 << 40, 299, True, 1.0, "1", None])
def test_ids_out_of_the_vocabulary_are_refused(id: object, tiny_engine: Engine) -> None:
    for call in (tiny_engine.logits, lambda ids: tiny_engine.generate(ids, GREEDY)):
        with pytest.raises(ContextError) as caught:
            call([1, id])
        assert caught.value.code == "id_out_of_range"


def test_cancelled_run_returns_what_there_is(tiny_engine: Engine) -> None:
    calls = iter(range(1000))
    transcript, deltas = finish(tiny_engine.generate([1], GREEDY, lambda: next(calls) >= 5))
    assert transcript.finish_reason == "cancelled"
    assert len(transcript.output_ids) == 5
    assert transcript.text == "".join(deltas)
    nothing, _ = finish(tiny_engine.generate([1], GREEDY, lambda: True))
    assert (nothing.finish_reason, nothing.output_ids, nothing.output_bytes) == ("cancelled", (), b"")


def test_runs_in_several_threads_do_not_disturb_each_other(tiny_engine: Engine) -> None:
    expected = {seed: finish(tiny_engine.generate([1], replace(DRAWN, seed=seed)))[0] for seed in range(6)}
    found: dict[int, Transcript] = {}

    def work(seed: int) -> None:
        found[seed] = finish(tiny_engine.generate([1], replace(DRAWN, seed=seed)))[0]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


def test_kernels_and_threads_that_cannot_be_had_are_errors(tiny_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ModelFile.open(tiny_path)
    for arguments in ({"kernels": "sse9"}, {"threads": 0}, {"threads": native.THREADS_MAX + 1}):
        with pytest.raises(KernelError) as caught:
            Engine(model, **arguments)
        assert caught.value.code == "kernels_unusable"
    monkeypatch.setenv("RAIL_KERNELS", "sse9")
    with pytest.raises(KernelError, match="sse9"):
        Engine(model)
    monkeypatch.setenv("RAIL_KERNELS", "portable")
    for wrong in ("0", "-1", "two", "9" * 5000):
        monkeypatch.setenv("RAIL_THREADS", wrong)
        with pytest.raises(KernelError) as caught:
            Engine(model)
        assert caught.value.code == "threads_invalid"
    monkeypatch.setenv("RAIL_THREADS", "2")
    engine = Engine(model)
    assert (engine.threads, engine.kernels) == (2, "portable")


def test_unverified_model_is_refused(tiny_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        Engine(ModelFile.open(tiny_path, verify=False))
    assert caught.value.code == "not_verified"
