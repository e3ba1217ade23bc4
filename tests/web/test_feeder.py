"""A service whose checkpoints real witnesses cosign, over HTTP: quorums, slow and dead witnesses, forks, receipts."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.cosigned import CosignedCheckpoints
from ledger.errors import SignatureInvalid
from ledger.keys import COSIGNATURE_V1, SigningKey
from ledger.log import Log
from ledger.policy import Policy, open_by_policy, open_counted, parse_policy
from ledger.proof import check_tlog_proof, parse_tlog_proof
from ledger.receipt import Receipt, check_receipt
from ledger.statement import open_statement
from ledger.witness import Witness
from tests.web.conftest import served, settings_in
from tests.web.outsider import Outsider
from web import create_app
from web.feeder import Feeder
from web.publication import PATIENCE_SECONDS
from web.services import Services, build_services
from web.witness_app import create_witness_app

WAIT_SECONDS = 20


def wait_for(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "the witnesses did not answer in time"
        time.sleep(0.05)


@dataclass
class Site:
    """A service with three witnesses, two of which must cosign; the third never answers."""

    services: Services
    policy: Policy
    witnesses: list[Witness]

    def notes(self) -> bytes:
        return self.services.publication.checkpoint(self.services.log)

    def met(self) -> bool:
        cosigners = [item.key for item in open_counted(self.notes(), self.policy, self.services.log.key).cosignatures]
        return self.policy.is_met(cosigners) and f"\n{self.services.log.size()}\n".encode() in self.notes()


@contextmanager
def silent_address() -> Iterator[str]:
    """Somebody who takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def site(tmp_path: Path, tiny_model_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        witnesses, lines = [], []
        for number in (1, 2):
            key = SigningKey.from_seed(f"w{number}.test/witness", bytes([number]) * 32, COSIGNATURE_V1)
            witness = stack.enter_context(Witness.open(tmp_path / f"w{number}.db", [key], create=True))
            url = stack.enter_context(served(create_witness_app(witness)))  # type: ignore[arg-type]
            witnesses.append(witness)
            lines.append(f"witness w{number} {key.vkey} {url}")
        dead = SigningKey.from_seed("w3.test/witness", b"3" * 32, COSIGNATURE_V1)
        lines += [f"witness w3 {dead.vkey} {stack.enter_context(silent_address())}", "group all 2 w1 w2 w3"]
        policy = tmp_path / "policy"
        policy.write_text("\n".join([*lines, "quorum all", ""]))
        services = build_services(settings_in(tmp_path / "home", tiny_model_path, policy=policy))
        stack.callback(services.close)
        for witness in witnesses:
            witness.add_log(services.log.key)
        assert services.feeder is not None
        services.feeder.start()
        yield Site(services, parse_policy(policy.read_bytes()), witnesses)


def test_checkpoints_and_receipts_bear_a_quorum(site: Site) -> None:
    client = create_app(site.services).test_client()
    wait_for(site.met)
    outsider = Outsider(client)
    index = outsider.registration.get_json()["record_id"]
    wait_for(site.met)
    note = client.get("/checkpoint").data
    opened = open_by_policy(note, site.policy, site.services.log.key)
    assert opened.checkpoint.size == site.services.log.size()
    assert {item.key.name for item in opened.cosignatures} == {"w1.test/witness", "w2.test/witness"}
    receipt = Receipt.from_json(client.get(f"/api/records/{index}/receipt").data)
    checked = check_receipt(receipt, site.services.log.key, site.policy.witness_keys)
    assert site.policy.is_met([item.key for item in checked.cosignatures])
    proof = parse_tlog_proof(client.get(f"/api/records/{index}/receipt.tlog-proof").data)
    leaf = site.services.log.entry(index).leaf_hash
    assert len(check_tlog_proof(proof, leaf, site.services.log.key, site.policy.witness_keys).cosignatures) == 2
    state = client.get("/log.json").get_json()["witnesses"]
    assert (state["met"], [key["time"] is not None for key in state["keys"]]) == (True, [True, True, False])
    wait_for(lambda: client.get("/log.json").get_json()["witnesses"]["keys"][2]["failure"] == "witness_unavailable")
    page = client.get("/log").text
    assert "2 of 3 in all are required: met" in page.replace("\n", " ")
    metrics = client.get("/metrics").text
    assert f"rail_witnessed_size {site.services.log.size()}.0" in metrics
    assert 'rail_witness_failures{witness="w3.test/witness"}' in metrics


def test_an_entry_that_no_quorum_saw_yet_has_a_receipt_at_once(site: Site) -> None:
    client = create_app(site.services).test_client()
    wait_for(site.met)
    for witness in site.witnesses:
        witness.remove_log(site.services.log.origin)
    index = Outsider(client).registration.get_json()["record_id"]
    receipt = Receipt.from_json(client.get(f"/api/records/{index}/receipt").data)
    assert check_receipt(receipt, site.services.log.key, site.policy.witness_keys).index == index
    older = Receipt.from_json(client.get("/api/records/0/receipt").data)
    assert len(check_receipt(older, site.services.log.key, site.policy.witness_keys).cosignatures) == 2


def test_without_a_quorum_the_head_is_shown_after_a_while_and_never_a_smaller_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(site.met)
    witnessed = site.services.log.size()
    for witness in site.witnesses:
        witness.remove_log(site.services.log.origin)
    now = time.monotonic()
    monkeypatch.setattr("web.publication.time.monotonic", lambda: now)
    Outsider(create_app(site.services).test_client())
    assert f"\n{witnessed}\n".encode() in site.notes()  # the newest that a quorum has
    monkeypatch.setattr("web.publication.time.monotonic", lambda: now + PATIENCE_SECONDS + 1)
    shown = site.notes()
    assert f"\n{witnessed + 1}\n".encode() in shown
    with pytest.raises(SignatureInvalid):
        open_by_policy(shown, site.policy, site.services.log.key)
    monkeypatch.setattr("web.publication.time.monotonic", lambda: now)
    assert site.notes() == shown


def test_a_witness_that_was_fed_by_somebody_else_is_caught_up_with(site: Site) -> None:
    """The feeder begins at size 0 each time it starts; the witness says where it is."""
    wait_for(site.met)
    assert site.services.feeder is not None
    site.services.feeder.close()
    Outsider(create_app(site.services).test_client())
    assert site.services.publication.cosigned is not None
    again = Feeder(site.services.log, site.policy, site.services.publication.cosigned)
    again.start()
    try:
        wait_for(site.met)
    finally:
        again.close()


def test_witnesses_that_fail_never_delay_an_append(site: Site) -> None:
    """The silent witness holds its thread for seconds; appends take their usual time."""
    client = create_app(site.services).test_client()
    started = time.monotonic()
    for _ in range(5):
        assert open_statement(site.services.log.entry(Outsider(client).registration.get_json()["record_id"]).statement)
    assert time.monotonic() - started < 5
    assert site.services.feeder is not None
    wait_for(lambda: {state.name: state.failure for state in site.services.feeder.states()}["w1.test/witness"] is None)


def test_a_log_that_went_back_is_told_so_by_its_witness(site: Site, tmp_path: Path, tiny_model_path: Path) -> None:
    """A log restored from an old backup: its witnesses are ahead of it, and it says so."""
    wait_for(site.met)
    assert site.services.feeder is not None
    site.services.feeder.close()
    key = SigningKey.load(site.services.settings.log_key)
    with Log.create(f"sqlite:///{tmp_path / 'restored.db'}", key.name, key) as restored:
        feeder = Feeder(restored, site.policy, CosignedCheckpoints(restored.database, site.policy, restored.key))
        feeder.start()
        try:
            wait_for(lambda: "witness_ahead" in {state.failure for state in feeder.states()})
        finally:
            feeder.close()
