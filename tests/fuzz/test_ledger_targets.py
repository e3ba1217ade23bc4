"""The ledger's parsers on random damage. RAIL_FUZZ_EXECUTIONS sets how often, RAIL_FUZZ_SEED where it begins."""

from itertools import chain

import pytest
from corpora import kept
from ledger_seeds import seeds
from ledger_targets import TARGETS
from mutation import EXECUTIONS, SEED, json_mutations, mutations, run_all


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[bytes]]:
    return seeds()


@pytest.mark.timeout(0 if EXECUTIONS > 10_000 else 300)
@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_refused_or_have_one_form(name: str, corpus: dict[str, list[bytes]]) -> None:
    for data in [*corpus[name], *kept(name)]:
        TARGETS[name](data)
    damaged = mutations(corpus[name], EXECUTIONS, SEED)
    if name == "receipt":
        damaged = chain(damaged, json_mutations(corpus[name], EXECUTIONS // 10, SEED))
    run_all(TARGETS[name], damaged)


def test_seeds_are_read(corpus: dict[str, list[bytes]]) -> None:
    """All of them get through to the end, so that their damaged copies get far."""
    from ledger.cose_receipt import detach
    from ledger.policy import parse_policy
    from ledger.receipt import Receipt
    from ledger.witness.request import parse_add_checkpoint

    assert all(parse_policy(data).quorum for data in corpus["policy"])
    assert all(parse_add_checkpoint(data).checkpoint for data in corpus["add_checkpoint"])
    assert [len(detach(data)[1]) for data in corpus["cose_receipt"][1:]] == [1, 3]
    assert all(Receipt.from_json(data).opening for data in corpus["receipt"])
