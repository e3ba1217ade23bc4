"""Maximal runs by the automaton, against brute force."""

import time

from hypothesis import given
from hypothesis import strategies as st
from index_samples import made_up, maximal_runs

from ledger.index.runs import Automaton, Run, needed

WORDS = st.lists(st.sampled_from("abcd"), max_size=24)


@given(WORDS, WORDS)
def test_runs_are_those_of_brute_force(ours: list[str], theirs: list[str]) -> None:
    runs = Automaton(ours).runs(theirs)
    assert {(run.start, run.end) for run in runs} == maximal_runs(ours, theirs)
    assert sorted(runs) == runs
    for run in runs:
        assert theirs[run.record_start : run.record_start + run.end - run.start] == ours[run.start : run.end]


@given(WORDS, st.lists(WORDS, max_size=3))
def test_automaton_serves_many_records(ours: list[str], records: list[list[str]]) -> None:
    automaton = Automaton(ours)
    for record in records:
        assert automaton.runs(record) == Automaton(ours).runs(record)


def test_repeated_run_is_found_at_each_place() -> None:
    runs = Automaton(["x", "a", "b", "c", "y", "a", "b", "c", "z"]).runs(["p", "a", "b", "c", "q"])
    assert [(run.start, run.end, run.record_start) for run in runs] == [(1, 4, 1), (5, 8, 1)]


def test_repetitive_texts_are_linear() -> None:
    for text in (["a"] * 40_000, ["a", "b", "a"] * 13_000, made_up(1, 40_000)):
        started = time.process_time()
        assert len(Automaton(text).runs(text)) == 1
        assert time.process_time() - started < 3


@given(WORDS, WORDS)
def test_needed_runs_have_all_units_and_the_longest_run(ours: list[str], theirs: list[str]) -> None:
    runs = Automaton(ours).runs(theirs)
    kept = needed(runs)
    assert set(kept) <= set(runs)
    assert sorted(kept) == kept
    assert _units(kept) == _units(runs)
    assert max((run.end - run.start for run in kept), default=0) == max(
        (run.end - run.start for run in runs), default=0
    )
    assert sum(run.end - run.start for run in kept) <= 3 * len(ours)


def _units(runs: list[Run]) -> set[int]:
    return {unit for run in runs for unit in range(run.start, run.end)}


def _longest(runs: list[Run]) -> int:
    return max((run.end - run.start for run in runs), default=0)
