"""What a log refuses, each thing with its own code, and that a refusal changes nothing."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from log_samples import MODEL_ROOT, Run

from ledger.errors import LedgerError, ParseError, SignatureInvalid, StatementRefused
from ledger.log import Log
from ledger.merkle import leaf_hash
from ledger.receipt import check_receipt
from ledger.statement import Sampling, open_statement, sign_statement


def assert_refused(log: Log, code: str, kind: type[LedgerError], statement: bytes, content: object = None) -> None:
    before = log.checkpoint(), log.stats()
    with pytest.raises(kind) as caught:
        log.submit(statement, content)
    assert caught.value.code == code
    assert (log.checkpoint(), log.stats()) == before


def test_an_operator_that_is_not_registered(log: Log, run: Run) -> None:
    stranger = Run("stranger.example")
    assert_refused(log, "unknown_operator", StatementRefused, *stranger.one())
    assert_refused(log, "unknown_operator", StatementRefused, stranger.sign(stranger.model()))


def test_a_signature_by_another_key(log: Log, run: Run) -> None:
    statement, content = run.one()
    forged = statement[:-64] + bytes(64)
    assert_refused(log, "statement_signature", SignatureInvalid, forged, content)
    flipped = statement[:-1] + bytes([statement[-1] ^ 1])
    assert_refused(log, "statement_signature", SignatureInvalid, flipped, content)


@pytest.mark.parametrize("damage", [lambda s: b"", lambda s: s[:-1], lambda s: s + b"\0", lambda s: bytes(70_000)])
def test_bytes_that_are_no_statement(log: Log, run: Run, damage: Callable[[bytes], bytes]) -> None:
    before = log.checkpoint()
    with pytest.raises(ParseError):
        log.submit(damage(run.one()[0]))
    assert log.checkpoint() == before


def test_every_byte_of_a_statement_counts(log: Log, run: Run) -> None:
    statement, content = run.one()
    for position in range(0, len(statement), 7):
        changed = bytearray(statement)
        changed[position] ^= 1
        with pytest.raises(LedgerError):
            log.submit(bytes(changed), content)
    assert log.size() == 2


def test_a_registration_must_be_by_its_own_key(log: Log, run: Run) -> None:
    other = Run("other.example")
    genuine = other.sign(other.operator())
    swapped = genuine.replace(other.key.public, run.key.public)
    assert_refused(log, "statement_public", ParseError, swapped)


def test_a_key_is_registered_once(log: Log, run: Run) -> None:
    assert_refused(log, "operator_registered", StatementRefused, run.sign(run.operator(name="another name")))


def test_a_counter_serves_once(log: Log, run: Run) -> None:
    log.submit(*run.one())
    run.counter -= 1
    assert_refused(log, "counter_used", StatementRefused, run.sign(run.model(name="another")))
    run.counter += 5
    assert log.submit(run.sign(run.model(name="a gap in the counters is allowed, and shows"))).new
    run.counter -= 3
    assert log.submit(run.sign(run.model(name="and may be filled later"))).new


def test_two_operators_count_apart(log: Log, run: Run) -> None:
    other = Run("other.example")
    log.submit(other.sign(other.operator()))
    assert log.submit(*other.one()).new
    assert (log.next_counter(run.id), log.next_counter(other.id)) == (2, 2)


def test_a_generation_needs_a_registered_model(log: Log, run: Run) -> None:
    content = run.content(1)
    statement = run.sign(run.generation(content, model_root=b"\x07" * 32))
    assert_refused(log, "unknown_model", StatementRefused, statement, content)
    entries = log.submit_many([(run.sign(run.model(model_root=b"\x07" * 32)), None), (statement, content)])
    assert [entry.index for entry in entries] == [2, 3]


def test_a_model_may_be_registered_again(log: Log, run: Run) -> None:
    assert log.submit(run.sign(run.model(name="the same root under another name"))).new
    assert log.model(MODEL_ROOT)[0].index == 1
    assert len(log.models()) == 2


def test_a_time_in_the_future(log: Log, run: Run) -> None:
    run.time = int(time.time()) + 7200
    assert_refused(log, "time_in_future", StatementRefused, *run.one())


def test_a_time_outside_the_keys_validity(log: Log, run: Run) -> None:
    short = Run("short.example")
    log.submit(short.sign(short.operator(valid_to=short.time + 10)))
    short.time += 10
    assert log.submit(*short.one()).new
    short.time += 1
    assert_refused(log, "statement_outside_validity", SignatureInvalid, *short.one())
    run.time -= 1
    assert_refused(log, "statement_outside_validity", SignatureInvalid, *run.one())


def test_more_output_than_the_statement_itself_allows(log: Log, run: Run) -> None:
    content = run.content(2)
    short = Sampling(temperature_micro=0, top_k=0, top_p_micro=1_000_000, seed=7, max_tokens=2)
    assert_refused(log, "output_over_max_tokens", StatementRefused, run.sign(run.generation(content, sampling=short)))


# Content


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("content_prompt_commitment", {"prompt_ids": (1, 2, 8)}),
        ("content_prompt_commitment", {"prompt_salt": b"s" * 32}),
        ("content_prompt_commitment", {"stop": ()}),
        ("content_prompt_tokens", {"prompt_ids": (1, 2)}),
        ("content_logit_biases", {"logit_bias": ((1, 2),)}),
        ("content_output_commitment", {"output_ids": (3, 2, 3)}),
        ("content_output_commitment", {"output_bytes": b"Something else."}),
        ("content_output_commitment", {"output_salt": b"s" * 32}),
        ("content_output_tokens", {"output_ids": ()}),
    ],
)
def test_content_that_is_not_what_was_committed_to(log: Log, run: Run, code: str, changes: dict) -> None:
    statement = run.sign(run.generation(run.content(2)))
    assert_refused(log, code, StatementRefused, statement, run.content(2, **changes))
    assert log.submit(statement, run.content(2)).new


def test_biases_are_held_against_statement_and_commitment(log: Log, run: Run) -> None:
    content = run.content(2, logit_bias=((5, 1), (9, -2)))
    sampling = replace(run.generation(content).sampling, logit_biases=2)
    statement = run.sign(run.generation(content, sampling=sampling))
    for code, bias in (
        ("content_logit_biases", ()),
        ("content_logit_biases", ((5, 1),)),
        ("content_prompt_commitment", ((5, 1), (9, 2))),
        ("content_prompt_commitment", ((5, 1), (8, -2))),
    ):
        assert_refused(log, code, StatementRefused, statement, run.content(2, logit_bias=bias))
    entry = log.submit(statement, content)
    assert log.content(entry.index) == content
    checked = check_receipt(log.receipt(entry.index, opening=True), log.key)
    assert checked.opened is not None and checked.opened.prompt is not None
    assert checked.opened.prompt.bias == content.logit_bias
    assert log.fsck().ok


def test_content_beside_another_statement(log: Log, run: Run) -> None:
    assert_refused(log, "content_unexpected", StatementRefused, run.sign(run.model(name="x")), run.content(1))


# Statements about entries


def test_content_with_a_statement_that_is_there_is_checked_but_not_stored(log: Log, run: Run) -> None:
    statement, content = run.one()
    log.submit(statement)
    assert not log.submit(statement, content).new
    assert log.content(2) is None
    assert_refused(log, "content_prompt_commitment", StatementRefused, statement, run.content(9))


def test_a_verdict_about_an_entry_that_is_not_so(log: Log, run: Run) -> None:
    entry = log.submit(*run.one())
    for code, changes in (
        ("subject_missing", {"entry_index": 3}),
        ("subject_missing", {"entry_index": 2**63 - 1}),
        ("subject_leaf_hash", {"entry_leaf_hash": bytes(32)}),
        ("subject_kind", {"entry_index": 1, "entry_leaf_hash": log.entry(1).leaf_hash}),
    ):
        assert_refused(log, code, StatementRefused, run.sign(run.replay(entry, **changes)))
    assert log.submit(run.sign(run.replay(entry))).new


def test_an_entry_and_its_verdict_in_one_call(log: Log, run: Run) -> None:
    item = run.one()
    replay = run.replay(log.entry(1), entry_index=2, entry_leaf_hash=leaf_hash(item[0]))
    assert [entry.index for entry in log.submit_many([item, (run.sign(replay), None)])] == [2, 3]
    assert len(log.replays_of(2)) == 1


def test_statements_of_one_operator_do_not_pass_for_anothers(log: Log, run: Run) -> None:
    other = Run("other.example", run.time)  # its key is valid from the time that the other's statement states
    log.submit(other.sign(other.operator()))
    payload = open_statement(run.one()[0]).payload
    assert_refused(
        log, "content_prompt_commitment", StatementRefused, sign_statement(payload, other.key), run.content(9)
    )
