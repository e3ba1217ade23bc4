"""Model files on random damage. RAIL_FUZZ_EXECUTIONS sets how often, RAIL_FUZZ_SEED where it begins."""

import os
from itertools import chain

import pytest
from model_target import TARGETS, model_seeds
from mutation import cbor_mutations, mutations

EXECUTIONS = int(os.environ.get("RAIL_FUZZ_EXECUTIONS", "1000"))
SEED = int(os.environ.get("RAIL_FUZZ_SEED", "1"))


@pytest.mark.timeout(0 if EXECUTIONS > 10_000 else 300)
@pytest.mark.parametrize("name", TARGETS)
def test_any_model_file_runs_or_is_refused(name: str) -> None:
    seeds = model_seeds()[name]
    for data in seeds:
        TARGETS[name](data)
    damaged = mutations(seeds, EXECUTIONS, SEED)
    if name == "directory":
        damaged = chain(damaged, cbor_mutations(seeds, EXECUTIONS, SEED))
    for number, data in enumerate(damaged):
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"execution {number} of seed {SEED}: {data[:2000]!r}")
            raise
