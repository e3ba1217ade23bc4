"""Replay: what was generated matches, and any altered part of a transcript does not."""

from dataclasses import replace
from pathlib import Path

import pytest
from test_engine import DRAWN, EVERYTHING, finish

import native
from inference.engine import REPLAY_TOKENS, Engine
from inference.errors import ContextError, InferenceError, SamplingError
from inference.modelfile import ModelFile
from inference.replay import ReplayResult
from inference.sampling import SamplingParams
from inference.transcript import IDS_MAX, Transcript


@pytest.fixture(scope="module")
def transcript(tiny_engine: Engine) -> Transcript:
    return finish(tiny_engine.generate([1, 40, 41], DRAWN))[0]


@pytest.mark.parametrize("kernels", native.backends())
def test_run_matches_on_every_kernel_set_and_thread_count(
    kernels: str, transcript: Transcript, tiny_path: Path
) -> None:
    for threads in (1, 2):
        engine = Engine(ModelFile.open(tiny_path), threads, kernels)
        assert engine.replay(transcript) == ReplayResult("match", len(transcript.output_ids))


def test_runs_of_every_length_match(tiny_engine: Engine) -> None:
    """Prompts and outputs around the size of one native call."""
    for prompt in (1, 2, REPLAY_TOKENS, REPLAY_TOKENS + 1):
        for tokens in (1, 2, REPLAY_TOKENS - 1, REPLAY_TOKENS, REPLAY_TOKENS + 1):
            params = replace(DRAWN, max_tokens=tokens, temperature_micro=3_000_000)
            run, _ = finish(tiny_engine.generate([1] + [50] * (prompt - 1), params))
            assert tiny_engine.replay(run).verdict == "match"


def test_runs_with_stop_texts_and_cancelled_runs_match(tiny_engine: Engine) -> None:
    reasons = set()
    for seed in range(12):
        params = replace(DRAWN, seed=seed, stop=("a", "th", " "))
        run, _ = finish(tiny_engine.generate([1], params))
        assert tiny_engine.replay(run).verdict == "match"
        reasons.add(run.finish_reason)
        calls = iter(range(100))
        run, _ = finish(tiny_engine.generate([1], replace(DRAWN, seed=seed), lambda calls=calls: next(calls) >= 7))
        reasons.add(run.finish_reason)
        assert tiny_engine.replay(run).verdict == "match"
    assert {"stop", "cancelled"} <= reasons
    nothing, _ = finish(tiny_engine.generate([1], DRAWN, lambda: True))
    assert tiny_engine.replay(nothing) == ReplayResult("match", 0)


def test_each_changed_id_is_found_at_its_place(transcript: Transcript, tiny_engine: Engine) -> None:
    for index, id in enumerate(transcript.output_ids):
        changed = list(transcript.output_ids)
        changed[index] = (id + 1) % tiny_engine.model.config.vocab_size
        result = tiny_engine.replay(replace(transcript, output_ids=tuple(changed)))
        assert result == ReplayResult("mismatch", index, index, changed[index], id, "token")


def test_other_parameters_do_not_match(transcript: Transcript, tiny_engine: Engine) -> None:
    for params in (
        replace(DRAWN, seed=12),
        replace(DRAWN, temperature_micro=0),
        replace(DRAWN, top_k=1),
        replace(DRAWN, top_p_micro=1),
    ):
        result = tiny_engine.replay(replace(transcript, params=params))
        assert (result.verdict, result.reason) == ("mismatch", "token")


@pytest.mark.parametrize("kernels", native.backends())
def test_run_with_every_parameter_matches_and_each_change_is_found(kernels: str, tiny_path: Path) -> None:
    engine = Engine(ModelFile.open(tiny_path), 1, kernels)
    run, _ = finish(engine.generate([1, 40, 41], EVERYTHING))
    assert engine.replay(run) == ReplayResult("match", len(run.output_ids))
    for change in (
        {"min_p_micro": 300_000},
        {"repetition_micro": 1_000_000},
        {"frequency_micro": -700_000},
        {"presence_micro": 400_000},
        {"logit_bias": ()},
        {"logit_bias": ((12, 1_500_000), (72, -2_250_000), (226, -3_000_000))},
    ):
        result = engine.replay(replace(run, params=replace(EVERYTHING, **change)))
        assert (result.verdict, result.reason) == ("mismatch", "token"), change
    for index, id in enumerate(run.output_ids):
        ids = (*run.output_ids[:index], (id + 1) % engine.model.config.vocab_size, *run.output_ids[index + 1 :])
        assert engine.replay(replace(run, output_ids=ids)).first_difference == index


def test_replay_of_a_bias_that_does_not_fit_the_model_is_refused(transcript: Transcript, tiny_engine: Engine) -> None:
    with pytest.raises(SamplingError) as caught:
        tiny_engine.replay(replace(transcript, params=replace(DRAWN, logit_bias=((1 << 19, 1),))))
    assert caught.value.code == "id_out_of_range"


def test_other_prompt_does_not_match(transcript: Transcript, tiny_engine: Engine) -> None:
    assert tiny_engine.replay(replace(transcript, prompt_ids=(1, 40, 42))).verdict == "mismatch"
    assert tiny_engine.replay(replace(transcript, prompt_ids=(40, 41))).verdict == "mismatch"


def test_bytes_that_the_ids_do_not_give_are_a_mismatch(transcript: Transcript, tiny_engine: Engine) -> None:
    for data in (transcript.output_bytes + b"!", transcript.output_bytes[:-1], b""):
        result = tiny_engine.replay(replace(transcript, output_bytes=data))
        assert (result.verdict, result.first_difference, result.reason) == ("mismatch", None, "bytes")


def test_end_that_the_ids_do_not_give_is_a_mismatch(transcript: Transcript, tiny_engine: Engine) -> None:
    assert transcript.finish_reason == "length"
    for change in (
        {"finish_reason": "stop"},
        {"finish_reason": "cancelled"},
        {"output_ids": transcript.output_ids[:-1]},
        {"params": replace(DRAWN, max_tokens=61)},
    ):
        result = tiny_engine.replay(replace(transcript, **change))
        assert (result.verdict, result.first_difference, result.reason) == ("mismatch", None, "finish")


def test_run_that_goes_on_after_its_end_is_a_mismatch(transcript: Transcript, tiny_engine: Engine) -> None:
    result = tiny_engine.replay(replace(transcript, params=replace(DRAWN, max_tokens=50)))
    assert result == ReplayResult("mismatch", 50, 50, transcript.output_ids[50], None, "end")


def test_run_of_another_engine_or_model_is_refused(transcript: Transcript, tiny_engine: Engine) -> None:
    for change, code in (({"engine": "rail-int/1"}, "other_engine"), ({"model_root": bytes(32)}, "other_model")):
        with pytest.raises(InferenceError) as caught:
            tiny_engine.replay(replace(transcript, **change))
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"prompt_ids": ()}, "context_empty"),
        ({"prompt_ids": (1, 100_000)}, "id_out_of_range"),
        ({"output_ids": (5, 100_000)}, "id_out_of_range"),
        ({"output_ids": (5,) * 158}, "context_exceeded"),
        ({"output_ids": (5,) * IDS_MAX}, "context_exceeded"),
        ({"prompt_ids": (1,) * 160}, "context_exceeded"),
    ],
)
def test_ids_that_do_not_fit_the_model_are_refused(
    change: dict[str, tuple[int, ...]], code: str, transcript: Transcript, tiny_engine: Engine
) -> None:
    with pytest.raises(ContextError) as caught:
        tiny_engine.replay(replace(transcript, **change))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "change",
    [
        {"engine": None},
        {"model_root": bytes(31)},
        {"model_root": "00" * 16},
        {"prompt_ids": [1]},
        {"output_ids": (-1,)},
        {"output_ids": (1 << 20,)},
        {"output_ids": (True,)},
        {"output_ids": (1.0,)},
        {"output_ids": (5,) * (IDS_MAX + 1)},
        {"output_bytes": "text"},
        {"params": None},
        {"finish_reason": "error"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_impossible_transcripts_cannot_be_made(change: dict[str, object], transcript: Transcript) -> None:
    with pytest.raises(InferenceError) as caught:
        replace(transcript, **change)
    assert caught.value.code == "transcript_invalid"


def test_greedy_run_with_a_seed_still_matches(tiny_engine: Engine) -> None:
    run, _ = finish(tiny_engine.generate([1], SamplingParams(seed=99, max_tokens=20)))
    assert tiny_engine.replay(run).verdict == "match"
