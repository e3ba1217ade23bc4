"""Model files on random damage. RAIL_FUZZ_EXECUTIONS sets how often, RAIL_FUZZ_SEED where it begins."""

from itertools import chain

import pytest
from model_target import TARGETS, model_seeds
from mutation import EXECUTIONS, SEED, cbor_mutations, mutations, run_all


@pytest.mark.timeout(0 if EXECUTIONS > 10_000 else 300)
@pytest.mark.parametrize("name", TARGETS)
def test_any_model_file_runs_or_is_refused(name: str) -> None:
    seeds = model_seeds()[name]
    for data in seeds:
        TARGETS[name](data)
    damaged = mutations(seeds, EXECUTIONS, SEED)
    if name == "directory":
        damaged = chain(damaged, cbor_mutations(seeds, EXECUTIONS, SEED))
    run_all(TARGETS[name], damaged)
