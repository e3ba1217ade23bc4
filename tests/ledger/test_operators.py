"""Keys begin and end in the log: registration, rotation, revocation, and the counters that show what is missing."""

import time

import pytest
from log_samples import Run, tamper

from ledger.errors import ParseError, SignatureInvalid, StatementRefused
from ledger.log import Log
from ledger.statement import open_statement


def code_of(log: Log, statement: bytes) -> str:
    with pytest.raises(StatementRefused) as caught:
        log.submit(statement)
    return caught.value.code


def test_a_revoked_key_signs_nothing_more(log: Log, run: Run) -> None:
    before, late = run.one(), run.one()
    entry = log.submit(*before)
    revoked = log.submit(run.sign(run.operator(action="revoke")))
    assert code_of(log, late[0]) == "operator_ended"
    assert code_of(log, run.sign(run.operator(action="revoke"))) == "operator_ended"
    assert code_of(log, run.sign(run.operator())) == "operator_registered"
    assert not log.submit(*before).new and log.submit(*before).index == entry.index  # what counted still does
    standing = log.operator_standing(run.id)
    assert standing is not None and standing.ended == revoked.index
    assert log.receipt(entry.index, True).to_json()
    assert log.fsck().ok


def test_a_rotation_names_a_key_that_registered_itself(log: Log, run: Run) -> None:
    new = Run("operator.example/2")
    registration = new.sign(new.operator())
    assert code_of(log, run.sign(run.operator(action="rotate", public=new.key.public))) == "rotation_unregistered"
    rotation = run.sign(run.operator(action="rotate", public=new.key.public))
    entries = log.submit_many([(registration, None), (rotation, None)])  # in one step
    assert code_of(log, run.one()[0]) == "operator_ended"
    assert log.submit(*new.one()).new
    assert log.operator_standing(run.id).ended == entries[1].index
    assert log.operator_standing(new.id).ended is None
    assert log.fsck().ok


def test_a_rotation_to_a_key_that_ended_is_refused(log: Log, run: Run) -> None:
    new = Run("operator.example/2")
    log.submit_many([(new.sign(new.operator()), None), (new.sign(new.operator(action="revoke")), None)])
    assert code_of(log, run.sign(run.operator(action="rotate", public=new.key.public))) == "rotation_ended"


def test_in_one_group_nothing_follows_the_end(log: Log, run: Run) -> None:
    size = log.size()
    group = [run.one(), (run.sign(run.operator(action="revoke")), None), run.one()]
    with pytest.raises(StatementRefused) as caught:
        log.submit_many(group)
    assert (caught.value.code, caught.value.position) == ("operator_ended", 2)
    assert log.size() == size
    assert log.submit_many(group[:2])[1].index == size + 1


def test_a_key_ends_no_other_one(run: Run) -> None:
    other = Run("other.example")
    for action, public in (("revoke", other.key.public), ("rotate", run.key.public)):
        with pytest.raises(ParseError) as caught:
            open_statement(run.sign(run.operator(action=action, public=public)))
        assert caught.value.code == "statement_public"


def test_an_end_is_signed_by_the_key_within_its_validity(log: Log) -> None:
    run = Run()
    now = int(time.time())
    log.submit(run.sign(run.operator(valid_from=now - 60, valid_to=now - 30)))
    with pytest.raises(SignatureInvalid) as caught:
        run.time = now
        log.submit(run.sign(run.operator(action="revoke", valid_from=now)))
    assert caught.value.code == "statement_outside_validity"


def test_gaps_show(log: Log, run: Run) -> None:
    log.submit(*run.one())
    run.counter += 3
    log.submit(*run.one())
    run.counter += 1
    log.submit(*run.one())
    standing = log.operator_standing(run.id)
    assert standing.gaps == [(3, 5), (7, 7)] and standing.missing == 4
    assert (standing.statements, standing.next_counter) == (5, 9)
    fresh = Run("fresh.example")
    fresh.counter = 2
    log.submit(fresh.sign(fresh.operator()))
    assert log.operator_standing(fresh.id).gaps == [(0, 1)]
    assert log.operator_standing(bytes(32)) is None


def test_fsck_finds_what_the_end_of_a_key_forbids(log: Log, run: Run) -> None:
    log.submit(*run.one())
    log.submit(run.sign(run.operator(action="revoke")))
    tamper(log, "UPDATE operator_ends SET leaf_index = 1")
    assert {(fault.code, fault.index) for fault in log.fsck().faults} == {
        ("operator_end_row", 1),
        ("operator_end_row", 3),
        ("operator_ended", 2),
        ("operator_ended", 3),
    }
    tamper(log, "DELETE FROM operator_ends")
    assert {(fault.code, fault.index) for fault in log.fsck().faults} == {("operator_end_row", 3)}
