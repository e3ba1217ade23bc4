"""A statement on its way into the log: what can be checked of it in the submitter's thread, without a lock.

The rest of the rules is in admission.py. SPEC.md, section 13, lists them all; each has its own error code.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger.content import Content, encode_content
from ledger.errors import LedgerError, StatementRefused
from ledger.merkle import leaf_hash
from ledger.statement import (
    GenerationStatement,
    OperatorStatement,
    SignedStatement,
    is_registration,
    open_statement,
    signature_errors,
)

CLOCK_SKEW_SECONDS = 3600  # how far in the future a statement's time may lie


class Submission(NamedTuple):
    """A statement that passed `prepare`."""

    statement: bytes
    leaf_hash: bytes
    signed: SignedStatement
    visibility: str | None  # None, like the body: nothing to store beside the leaf
    body: bytes | None  # the content, encoded
    received: int  # Unix seconds by the log's clock
    erase_any: bool  # an erasure by the host of the log itself: may concern any operator's entry


class Opened(NamedTuple):
    """A statement that passed `open_submission`: whose signature is to be checked, against which registration."""

    statement: bytes
    content: Content | None
    body: bytes | None  # the content, encoded
    signed: SignedStatement
    registration: OperatorStatement


OperatorLookup = Callable[[bytes], OperatorStatement | None]


def prepare(
    statement: bytes, content: Content | None, operator_of: OperatorLookup, now: int, erase_any: bool = False
) -> Submission:
    """Everything that can be checked without a lock. ParseError, SignatureInvalid or StatementRefused.

    `operator_of` finds the registration of an operator id; `now` is in Unix seconds.
    """
    [checked] = check_opened([open_submission(statement, content, operator_of, now)], now, erase_any)
    if isinstance(checked, LedgerError):
        raise checked
    return checked


def open_submission(statement: bytes, content: Content | None, operator_of: OperatorLookup, now: int) -> Opened:
    """The first half of `prepare`: what needs no signature. ParseError, StatementRefused."""
    signed = open_statement(statement)
    payload = signed.payload
    if payload.time > now + CLOCK_SKEW_SECONDS:
        raise StatementRefused(
            "time_in_future",
            f"the statement's time {payload.time} is {payload.time - now} s ahead of the log's clock; set the clock",
        )
    if isinstance(payload, OperatorStatement) and is_registration(payload):
        registration: OperatorStatement | None = payload
    else:
        registration = operator_of(signed.operator)
    if registration is None:
        raise unknown_operator(signed.operator)
    body = encode_content(content) if content is not None else None
    return Opened(statement, content, body, signed, registration)


def check_opened(opened: Sequence[Opened], now: int, erase_any: bool = False) -> list[Submission | LedgerError]:
    """The second half, for many, whose signatures are checked in one call: each is a submission or why it is none."""
    errors = signature_errors([(item.signed, item.registration) for item in opened])
    checked: list[Submission | LedgerError] = []
    for item, error in zip(opened, errors, strict=True):
        try:
            checked.append(error or _submission(item, now, erase_any))
        except LedgerError as refusal:
            checked.append(refusal)
    return checked


def _submission(opened: Opened, now: int, erase_any: bool) -> Submission:
    content, payload = opened.content, opened.signed.payload
    if isinstance(payload, GenerationStatement) and payload.output_tokens > payload.sampling.max_tokens:
        raise StatementRefused(
            "output_over_max_tokens",
            f"the statement has {payload.output_tokens} output_tokens, more than its own sampling.max_tokens, "
            f"{payload.sampling.max_tokens}",
        )
    if content is not None:
        check_content(payload, content)
    visibility = content.visibility if content is not None else None
    leaf = leaf_hash(opened.statement)
    return Submission(opened.statement, leaf, opened.signed, visibility, opened.body, now, erase_any)


def check_content(payload: object, content: Content) -> None:
    """StatementRefused (`content_*`) unless the statement's commitments and counts are those of this content."""
    if not isinstance(payload, GenerationStatement):
        raise StatementRefused("content_unexpected", "only a generation statement has content beside it")
    pairs = (
        ("prompt_tokens", payload.prompt_tokens, len(content.prompt_ids)),
        ("output_tokens", payload.output_tokens, len(content.output_ids)),
        ("logit_biases", payload.sampling.logit_biases, len(content.logit_bias)),
        ("prompt_commitment", payload.prompt_commitment, content.prompt_commitment()),
        ("output_commitment", payload.output_commitment, content.output_commitment()),
    )
    for name, stated, actual in pairs:
        if stated != actual:
            raise StatementRefused(
                f"content_{name}", f"the statement's {name} is not that of the content: one of the two was altered"
            )


def unknown_operator(identifier: bytes) -> StatementRefused:
    """The refusal of a statement whose signer is not registered."""
    return StatementRefused(
        "unknown_operator", f"no operator {identifier.hex()} is registered in this log; submit its registration first"
    )
