"""Independent tlog-tiles clients verify our log as it is served, over HTTP."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import metamorphic_log
import pytest
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet

from ledger.keys import SigningKey
from ledger.log import Log
from ledger.merkle import leaf_hash
from ledger.statement import OperatorStatement, sign_statement
from tests.web.conftest import served
from web import create_app
from web.services import Services

ORIGIN = "growing.test/log"
SIZES = (1, 255, 256, 257, 1000)


@dataclass(frozen=True)
class Growing:
    log: Log
    url: str


@pytest.fixture(scope="module")
def growing(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Growing]:
    """A log of its own, empty at first, behind a real server."""
    database = f"sqlite:///{tmp_path_factory.mktemp('log') / 'log.db'}"
    with (
        Log.create(database, ORIGIN, SigningKey.generate(ORIGIN)) as log,
        served(create_app(replace(services, log=log))) as url,
    ):
        yield Growing(log, url)


def registration() -> bytes:
    """The shortest way to a valid entry: a new operator."""
    key, now = SigningKey.generate("grower.test"), int(time.time())
    statement = OperatorStatement(
        time=now,
        counter=0,
        name="grower",
        contact="mail@grower.test",
        public=key.public,
        valid_from=now,
        valid_to=None,
        action="register",
    )
    return sign_statement(statement, key)


@pytest.mark.parametrize("size", SIZES)
def test_clients_verify_the_served_log_at(growing: Growing, size: int) -> None:
    log, old_size = growing.log, growing.log.size()
    old_note = log.checkpoint().decode()
    log.submit_many((registration(), None) for _ in range(size - old_size))

    reader = TilesReader(HttpBackend(growing.url))
    head = reader.get_checkpoint()
    assert VkeySet(Vkey.from_string(log.vkey)).verify(head.signatures, head)
    assert (head.size, head.root_hash) == (size, log.root())
    assert reader.calculate_root_hash() == log.root()
    for index in {0, size // 2, size - 1}:
        entry = log.entry(index).statement
        assert reader.get_entry(index) == entry
        reader.get_inclusion_proof(index, size).check(leaf_hash(entry), head.root_hash)

    note = log.checkpoint().decode()
    for index in {0, size // 2, size - 1}:
        proof = log.prove_inclusion(index, size)
        metamorphic_log.checkpoint_verify_inclusion(note, [log.vkey], index, log.entry(index).leaf_hash, proof)
    if old_size:
        consistency = log.prove_consistency(old_size, size)
        metamorphic_log.checkpoint_verify_consistency(old_note, note, [log.vkey], consistency)
