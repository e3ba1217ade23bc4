"""Who may submit, and how much: policies, invitations, rates and quotas, and an operator's whole life over HTTP."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from ledger.keys import SigningKey
from ledger.statement import ModelStatement
from tests.web.shapes import assert_error, body_of
from web.client import ClientError, RailClient
from web.errors import SettingsError
from web.gate import digest_of
from web.schemas import Operator
from web.services import Services
from web.submitter import Submitter, send_many
from web.submitters import Invitation, Known, Limits, Submitters, SubmittersFile


@pytest.fixture
def submitters(services: Services) -> Iterator[SubmittersFile]:
    """The file of the service's host; open to all again afterwards."""
    yield SubmittersFile(services.settings.submitters)
    services.settings.submitters.unlink(missing_ok=True)


@pytest.fixture
def client_to(live_url: str) -> Iterator[RailClient]:
    with RailClient(live_url) as client:
        yield client


def newcomer(client: RailClient) -> Submitter:
    return Submitter(client, SigningKey.generate("newcomer.test"), pause_seconds=0)


def model(number: int) -> Any:
    def make(common: dict[str, int]) -> ModelStatement:
        fields = {"name": "m", "family": "llama", "parameters": 1, "engine": "rail-int/2", "licence": "MIT"}
        return ModelStatement(**common, **fields, sources={}, model_root=number.to_bytes(32, "big"))

    return make


def change(submitters: SubmittersFile, **changes: Any) -> None:
    with submitters.change() as opened:
        opened.value = replace(opened.value, **changes)


def refused(call: Any) -> tuple[int | None, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.status, caught.value.code


def test_the_life_of_a_key(client_to: RailClient, client: FlaskClient) -> None:
    first, second = newcomer(client_to), newcomer(client_to)
    registered = first.register("A newcomer", "mail@newcomer.test")
    first.submit(model(1))
    first.sign(model(2))  # made, and never sent
    first.submit(model(3))
    body = body_of(client.get(f"/api/operators/{first.operator}"), Operator)
    assert (body.record_id, body.name, body.ended_by) == (registered["record_id"], "A newcomer", None)
    assert (body.statements, body.next_counter, body.missing, body.gaps) == (3, 4, 1, [[2, 2]])
    rotation = first.rotate(second)["records"][-1]["record_id"]
    assert first.standing()["ended_by"] == rotation
    assert refused(lambda: first.submit(model(4))) == (422, "operator_ended")
    second.submit(model(5))
    revoked = second.revoke()["record_id"]
    assert second.standing()["ended_by"] == revoked
    assert refused(lambda: second.submit(model(6))) == (422, "operator_ended")
    assert_error(client.get("/api/operators/" + "0" * 64), 404, "operator_not_found")
    assert_error(client.get("/api/operators/x"), 404, "operator_not_found")


def test_a_list_of_submitters(client_to: RailClient, submitters: SubmittersFile) -> None:
    known, stranger, heir = newcomer(client_to), newcomer(client_to), newcomer(client_to)
    known.register("known", "none")
    statement = known.sign(model(10))
    known.send(statement)
    change(submitters, policy="listed")
    assert refused(lambda: stranger.register("stranger", "none")) == (403, "operator_not_listed")
    assert refused(lambda: known.submit(model(11))) == (403, "operator_not_listed")
    assert known.send(statement)["record_id"] >= 0  # a retry of what was taken
    change(submitters, operators=submitters.read().with_operator(known.operator, standing="listed").operators)
    known.submit(model(12))
    known.rotate(heir)
    heir.submit(model(13))  # on the list in the old key's place
    change(submitters, policy="open")
    change(submitters, operators=submitters.read().with_operator(heir.operator, standing="denied").operators)
    assert refused(lambda: heir.submit(model(14))) == (403, "operator_denied")


@pytest.mark.parametrize("policy", ["open", "listed"])
def test_a_rotated_key_is_no_new_quota(client_to: RailClient, submitters: SubmittersFile, policy: str) -> None:
    first, second, third = (newcomer(client_to) for _ in range(3))
    first.register("limited", "none")
    limited = submitters.read().with_operator(first.operator, standing="listed", limits=Limits(100, 5, 30))
    change(submitters, policy=policy, operators=limited.operators)
    first.submit(model(70))
    first.rotate(second)  # its third statement
    assert submitters.read().operators[second.operator] == Known("listed", Limits(100, 2, 30))
    second.submit(model(71))  # beside its registration, and that is all
    assert refused(lambda: second.submit(model(72))) == (429, "quota_exceeded")
    assert refused(lambda: second.rotate(third)) == (429, "quota_exceeded")


def test_a_default_quota_follows_a_key_too(client_to: RailClient, submitters: SubmittersFile) -> None:
    first, second = newcomer(client_to), newcomer(client_to)
    change(submitters, default=Limits(statements=3))
    first.register("limited by default", "none")
    first.submit(model(73))
    first.rotate(second)
    assert submitters.read().limits_of(second.operator) == Limits(statements=0)
    assert refused(lambda: second.submit(model(74))) == (429, "quota_exceeded")


def test_an_invitation_is_used_up(client_to: RailClient, submitters: SubmittersFile) -> None:
    now = int(time.time())
    invitations = {digest_of("code one"): Invitation(1, now + 60), digest_of("late"): Invitation(1, now - 1)}
    change(submitters, policy="invited", invitations=invitations)
    guest, second = newcomer(client_to), newcomer(client_to)
    assert refused(lambda: guest.register("guest", "none")) == (403, "invitation_needed")
    for code in ("late", "wrong", "x" * 200):
        assert refused(lambda code=code: guest.register("guest", "none", code)) == (403, "invitation_invalid")
    guest.register("guest", "none", "code one")
    guest.submit(model(20))
    assert refused(lambda: second.register("second", "none", "code one")) == (403, "invitation_invalid")
    change(submitters, invitations={digest_of("code two"): Invitation(1, now + 60)})
    third = newcomer(client_to)
    registration = third.sign(lambda common: third._operator(common, "register", third.key, "third", "none"))
    group = [registration, third.sign(model(22))]
    assert refused(lambda: send_many(client_to, group, pause_seconds=0)) == (403, "invitation_needed")
    assert len(send_many(client_to, group, "code two", pause_seconds=0)["records"]) == 2
    assert refused(lambda: second.submit(model(21), "code one")) == (403, "operator_not_listed")
    assert submitters.read().operators[guest.operator].standing == "listed"


def test_rates_and_quotas_name_their_rule(
    client_to: RailClient, client: FlaskClient, submitters: SubmittersFile, services: Services
) -> None:
    busy = newcomer(client_to)
    busy.register("busy", "none")
    change(submitters, default=Limits(per_minute=3))
    statements = [busy.sign(model(30 + number)) for number in range(4)]
    for statement in statements[:3]:
        busy.send(statement)
    answer = client.post("/api/records", data=statements[3], content_type="application/cose")
    assert "3 statements a minute" in assert_error(answer, 429, "rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 21
    assert client.post("/api/records", data=statements[0], content_type="application/cose").status_code == 200
    forged = bytearray(busy.sign(model(39)))
    forged[-1] ^= 1
    answer = client.post("/api/records", data=bytes(forged), content_type="application/cose")
    assert_error(answer, 400, "statement_signature")
    change(submitters, default=Limits(statements=4))
    answer = client.post("/api/records", data=statements[3], content_type="application/cose")
    assert "of 4 that its host allows" in assert_error(answer, 429, "quota_exceeded")
    change(submitters, policy="listed", default=Limits(per_minute=0, statements=0))
    Submitter(client_to, services.operator_key).submit(model(38))  # the host is held to nothing


def test_the_file_is_strict(submitters: SubmittersFile) -> None:
    change(submitters, policy="listed", operators=Submitters().with_operator("ab", standing="listed").operators)
    assert submitters.path.stat().st_mode & 0o777 == 0o600
    good = submitters.path.read_text()
    assert SubmittersFile(submitters.path).read() == submitters.read()
    for bad in (
        "",
        "[]",
        good.replace("listed", "liste", 1),
        good.replace("null", "-1", 1),
        good.replace("/1", "/2", 1),
    ):
        submitters.path.write_text(bad)
        with pytest.raises(SettingsError) as caught:
            SubmittersFile(submitters.path).read()
        assert caught.value.code == "submitters_unreadable"
