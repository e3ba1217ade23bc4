"""The published proofs that every verifier must refuse, and the true ones beside them that it must accept."""

import json
from collections.abc import Callable

import pytest
from make_negative_vectors import TARGET, vectors

from ledger.errors import ProofInvalid
from ledger.merkle import check_consistency, check_inclusion

VECTORS = json.loads(TARGET.read_text(encoding="utf-8"))
MINIMUM = 500


def octets(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


def inclusion(vector: dict) -> None:
    leaf, root = bytes.fromhex(vector["leaf"]), bytes.fromhex(vector["root"])
    check_inclusion(leaf, vector["index"], vector["size"], octets(vector["proof"]), root)


def consistency(vector: dict) -> None:
    old, new = bytes.fromhex(vector["old_root"]), bytes.fromhex(vector["new_root"])
    check_consistency(vector["old_size"], old, vector["new_size"], new, octets(vector["proof"]))


CHECKS = [("inclusion", inclusion), ("consistency", consistency)]


def test_the_file_is_what_its_maker_makes() -> None:
    assert vectors() == VECTORS
    assert len(VECTORS["inclusion_invalid"]) + len(VECTORS["consistency_invalid"]) >= MINIMUM


@pytest.mark.parametrize(("kind", "check"), CHECKS)
def test_true_proofs_hold(kind: str, check: Callable[[dict], None]) -> None:
    for vector in VECTORS[f"{kind}_valid"]:
        check(vector)


@pytest.mark.parametrize(("kind", "check"), CHECKS)
def test_every_altered_proof_is_refused(kind: str, check: Callable[[dict], None]) -> None:
    accepted = []
    for vector in VECTORS[f"{kind}_invalid"]:
        try:
            check(vector)
        except ProofInvalid:
            continue
        accepted.append(vector)
    assert accepted == []
