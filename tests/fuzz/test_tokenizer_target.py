"""The text side on random damage. RAIL_FUZZ_EXECUTIONS sets how often, RAIL_FUZZ_SEED where it begins."""

import os
from itertools import chain

import pytest
from mutation import json_mutations, mutations
from tokenizer_target import _TARGETS, tokenizer_seeds, tokenizer_target

EXECUTIONS = int(os.environ.get("RAIL_FUZZ_EXECUTIONS", "1000"))
SEED = int(os.environ.get("RAIL_FUZZ_SEED", "1"))


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
    for number, data in enumerate(damaged):
        try:
            tokenizer_target(bytes([kind]) + data)
        except BaseException as error:
            error.add_note(f"execution {number} of seed {SEED}: {data[:2000]!r}")
            raise
