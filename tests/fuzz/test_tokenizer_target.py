"""The text side on random damage. RAIL_FUZZ_EXECUTIONS sets how often, RAIL_FUZZ_SEED where it begins."""

from itertools import chain

import pytest
from mutation import EXECUTIONS, SEED, json_mutations, mutations, run_all
from tokenizer_target import _TARGETS, tokenizer_seeds, tokenizer_target


def test_seeds_get_through_to_the_end() -> None:
    for seed in tokenizer_seeds():
        if seed[0] not in (4, 6):  # some templates ask for other messages; a change of columns may be refused
            _TARGETS[seed[0]](seed[1:])


@pytest.mark.timeout(0 if EXECUTIONS > 1_000 else 300)
@pytest.mark.parametrize("kind", range(len(_TARGETS)), ids=lambda kind: _TARGETS[kind].__name__)
def test_any_bytes_are_taken_or_refused(kind: int) -> None:
    seeds = [seed[1:] for seed in tokenizer_seeds() if seed[0] == kind]
    damaged = mutations(seeds, EXECUTIONS, SEED)
    if _TARGETS[kind].__name__ == "_folder":
        damaged = chain(damaged, json_mutations([seed.split(b"\n")[0] for seed in seeds], EXECUTIONS, SEED))
    run_all(lambda data: tokenizer_target(bytes([kind]) + data), damaged)
