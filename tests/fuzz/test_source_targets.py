"""The readers on random damage. RAIL_FUZZ_EXECUTIONS sets how often, RAIL_FUZZ_SEED where it begins."""

from itertools import chain

import pytest
from mutation import EXECUTIONS, SEED, json_mutations, mutations, run_all
from source_seeds import seeds
from source_targets import TARGETS


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[bytes]]:
    return seeds()


@pytest.mark.timeout(0 if EXECUTIONS > 10_000 else 300)
@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused(name: str, corpus: dict[str, list[bytes]]) -> None:
    for data in corpus[name]:
        TARGETS[name](data)
    damaged = mutations(corpus[name], EXECUTIONS, SEED)
    if name in ("safetensors", "config", "index"):
        damaged = chain(damaged, json_mutations(corpus[name], EXECUTIONS, SEED))
    run_all(TARGETS[name], damaged)


def test_seeds_are_read(corpus: dict[str, list[bytes]]) -> None:
    """At least one file of each kind gets through to the end, so that its damaged copies get far."""
    from inference.convert.gguf import read_checkpoint
    from inference.convert.hf_config import read_config
    from inference.convert.safetensors import read_weights
    from inference.convert.sources import Source

    assert [read_checkpoint(Source("m", memoryview(data)), "m").config.family for data in corpus["gguf"][:4]]
    assert all(read_config(data, "config.json", "m").config.dim == 4 for data in corpus["config"])
    assert all(read_weights(Source("m", memoryview(data))).tensors for data in corpus["safetensors"])
