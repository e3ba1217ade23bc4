"""Runs that go through the model together: the same bits as alone, nobody waits for a slow reader, nothing is lost."""

import threading
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
from test_engine import finish

import native
from inference.batch import DELTAS_AHEAD
from inference.engine import Engine
from inference.errors import KernelError
from inference.modelfile import ModelFile
from inference.sampling import SamplingParams
from inference.transcript import Transcript

DRAWN = SamplingParams(temperature_micro=900_000, top_p_micro=950_000, max_tokens=60)
PROMPTS = [[1], [1, 40, 41], [1, *range(50, 100)], [1, *range(3, 90)], [1, 7], [1, *range(200, 290)], [1, 9, 9], [1, 8]]

Make = Generator[str, None, Transcript]


def make_engine(path: Path, running_max: int = 16, prefix_bytes: int = 0, threads: int = 2) -> Engine:
    return Engine(ModelFile.open(path), threads, running_max=running_max, prefix_bytes=prefix_bytes)


def runs_of(engine: Engine, count: int = 8) -> list[Make]:
    return [engine.generate(PROMPTS[i % 8], replace(DRAWN, seed=i)) for i in range(count)]


def in_threads(runs: list[Make]) -> list[Transcript]:
    """Every run in a thread of its own."""
    found: dict[int, Transcript] = {}

    def work(number: int) -> None:
        found[number] = finish(runs[number])[0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(runs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [found[i] for i in range(len(runs))]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs each native step had."""
    found: list[int] = []
    step = native.Model.step

    def counted(self: native.Model, pieces: list[native.Piece]) -> object:
        found.append(len(pieces))
        return step(self, pieces)

    monkeypatch.setattr(native.Model, "step", counted)
    return found


@pytest.mark.parametrize("running_max", [1, 3, 16])
def test_runs_together_give_what_each_gives_alone(running_max: int, tiny_path: Path, steps: list[int]) -> None:
    alone = [finish(run)[0] for run in runs_of(make_engine(tiny_path, threads=1), 12)]
    steps.clear()
    together = in_threads(runs_of(make_engine(tiny_path, running_max), 12))
    assert together == alone
    assert max(steps) <= running_max
    if running_max > 1:
        assert max(steps) > 1
        assert sum(steps) > 1.5 * len(steps)  # most steps are shared


def test_replays_beside_runs_disturb_nothing(tiny_path: Path) -> None:
    engine = make_engine(tiny_path)
    made = in_threads(runs_of(engine))
    verdicts: list[str] = []

    def replay() -> None:
        verdicts.extend(engine.replay(transcript).verdict for transcript in made * 3)

    thread = threading.Thread(target=replay)
    thread.start()
    assert in_threads(runs_of(engine)) == made
    thread.join(60)
    assert set(verdicts) == {"match"}


def test_a_single_run_is_computed_in_the_thread_that_reads_it(tiny_path: Path, steps: list[int]) -> None:
    before = threading.active_count()
    run = make_engine(tiny_path, threads=1).generate([1, 5], DRAWN)
    next(run)
    assert threading.active_count() == before
    assert steps[-1] == 1
    run.close()


def test_a_slow_reader_holds_up_nobody_and_fills_no_memory(tiny_path: Path) -> None:
    engine = make_engine(tiny_path)
    slow = engine.generate([1], replace(DRAWN, max_tokens=150, temperature_micro=5_000_000))
    first = next(slow)
    others = in_threads(runs_of(engine))
    assert len(others) == 8
    assert len(engine._batch._running[0].deltas) <= DELTAS_AHEAD
    rest, deltas = finish(slow)
    assert rest.text == first + "".join(deltas)
    alone = finish(make_engine(tiny_path).generate([1], rest.params))[0]
    assert rest == alone


def test_a_run_waits_for_its_place_and_gets_it(tiny_path: Path) -> None:
    engine = make_engine(tiny_path, running_max=1)
    first, second = engine.generate([1], DRAWN), engine.generate([1, 40], DRAWN)
    next(first)
    waiting = threading.Thread(target=finish, args=(second,))
    waiting.start()
    time.sleep(0.2)
    assert waiting.is_alive()  # `first` rests on its place: it has text that nobody took
    first.close()
    waiting.join(20)
    assert not waiting.is_alive()


def test_cancelled_and_abandoned_runs_leave_the_batch(tiny_path: Path) -> None:
    engine = make_engine(tiny_path, running_max=2)
    stop = threading.Event()
    running, abandoned = engine.generate([1], DRAWN, stop.is_set), engine.generate([1, 3], DRAWN)
    waiting = engine.generate([1, 4], DRAWN, stop.is_set)
    next(running)
    next(abandoned)
    stop.set()
    transcript, _ = finish(waiting)
    assert (transcript.finish_reason, transcript.output_ids) == ("cancelled", ())
    transcript, deltas = finish(running)
    assert transcript.finish_reason == "cancelled"
    assert transcript.text.endswith("".join(deltas))
    abandoned.close()
    assert engine._batch._running == []
    assert not engine._batch._waiting
    assert in_threads(runs_of(engine)) == in_threads(runs_of(make_engine(tiny_path)))


def test_a_step_that_fails_ends_its_runs_with_the_error_and_nothing_else(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(tiny_path)
    expected = in_threads(runs_of(engine))
    with monkeypatch.context() as patch:

        def fail(self: native.Model, pieces: object) -> None:
            raise native.KernelError("no memory")

        patch.setattr(native.Model, "step", fail)
        for run in runs_of(engine):
            with pytest.raises(KernelError) as caught:
                finish(run)
            assert caught.value.code == "kernels_failed"
    assert engine._batch._running == []
    assert in_threads(runs_of(engine)) == expected


def test_a_beginning_that_was_seen_is_not_read_again(tiny_path: Path) -> None:
    plain, keeping = make_engine(tiny_path), make_engine(tiny_path, prefix_bytes=1 << 20)
    for seed in range(3):
        for prompt in (PROMPTS[2], [*PROMPTS[2], 5, 6], PROMPTS[2][:30], [*PROMPTS[2][:20], 200, 201]):
            params = replace(DRAWN, seed=seed, max_tokens=20)
            assert finish(keeping.generate(prompt, params))[0] == finish(plain.generate(prompt, params))[0]
    assert keeping.prefixes.hits >= 11
    assert keeping.prefixes.tokens >= 9 * 29
    assert plain.prefixes.hits == 0


def test_kept_beginnings_stay_within_their_budget(tiny_path: Path) -> None:
    probe = make_engine(tiny_path, prefix_bytes=1 << 30)
    finish(probe.generate(PROMPTS[3], replace(DRAWN, max_tokens=5)))
    (kept,) = probe.prefixes._kept
    one = kept.session.size_bytes
    engine = make_engine(tiny_path, prefix_bytes=3 * one)
    for i in range(20):
        finish(engine.generate([1, 3 + i, *PROMPTS[3][2:]], replace(DRAWN, max_tokens=5)))
        assert sum(k.session.size_bytes for k in engine.prefixes._kept) <= 3 * one
    assert len(engine.prefixes._kept) == 3
    tight = make_engine(tiny_path, prefix_bytes=one - 1)
    finish(tight.generate(PROMPTS[3], replace(DRAWN, max_tokens=5)))
    assert tight.prefixes._kept == []


def test_a_run_that_goes_on_replaces_its_own_beginning(tiny_path: Path) -> None:
    engine = make_engine(tiny_path, prefix_bytes=1 << 20)
    prompt = PROMPTS[3]
    for _ in range(4):
        transcript, _ = finish(engine.generate(prompt, replace(DRAWN, max_tokens=6)))
        prompt = [*transcript.prompt_ids, *transcript.output_ids]
    assert len(engine.prefixes._kept) == 1
