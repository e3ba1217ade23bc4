"""Signed statements: the entries of the log. A payload, in deterministic CBOR, in COSE_Sign1 by an operator's key."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ledger import cbor
from ledger.compiled import ed25519_valid
from ledger.cose import SIGNED_BYTES_MAX, Sign1, decode_sign1, signing_bytes
from ledger.errors import ParseError, SignatureInvalid
from ledger.keys import SigningKey, operator_id
from ledger.payload import (
    ErasureStatement,
    GenerationStatement,
    ModelStatement,
    OperatorStatement,
    Payload,
    ReplayStatement,
    Sampling,
    payload_from_map,
)

__all__ = [
    "STATEMENT_BYTES_MAX",
    "ErasureStatement",
    "GenerationStatement",
    "ModelStatement",
    "OperatorStatement",
    "Payload",
    "ReplayStatement",
    "Sampling",
    "SignedStatement",
    "check_signed_by",
    "is_registration",
    "open_statement",
    "sign_statement",
]

STATEMENT_BYTES_MAX = SIGNED_BYTES_MAX
OPENED_MAX = 256  # statements remembered once parsed: 16 MiB if all are as large as they may be


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement whose form is right; its signature counts for nothing before `check_signed_by`."""

    payload: Payload
    operator: bytes  # SHA-256 of the signing key, 32 bytes
    signature: bytes
    encoded: bytes = field(repr=False)  # the payload as CBOR: what is signed

    def encode(self) -> bytes:
        """The bytes of the log entry, inverse of `open_statement`."""
        return Sign1(self.operator, self.encoded, self.signature).encode()


def sign_statement(payload: Payload, key: SigningKey) -> bytes:
    """The log entry that states `payload` under `key`; the same payload and key give the same bytes."""
    _check_self_signed(payload, operator := operator_id(key.public))
    encoded = cbor.encode(payload.to_map())
    return Sign1(operator, encoded, key.sign(signing_bytes(operator, encoded))).encode()


@lru_cache(maxsize=OPENED_MAX)
def open_statement(data: bytes) -> SignedStatement:
    """Parse an entry strictly, without judging its signature: it knows no keys.

    The last few are remembered, because a submission is looked at by several layers on its way into the log.

    Raises ParseError (`cbor_*`, `cose_*`, `statement_*`). Exactly one byte string is accepted for each value.
    """
    envelope = decode_sign1(data)
    payload = payload_from_map(cbor.decode(envelope.payload, STATEMENT_BYTES_MAX))
    _check_self_signed(payload, envelope.key_id)
    # Not encoded again to be compared: each layer's decoder accepts one form only, which the tests hold it to.
    return SignedStatement(payload, envelope.key_id, envelope.signature, envelope.payload)


def check_signed_by(statement: SignedStatement, registration: OperatorStatement) -> None:
    """Raise SignatureInvalid unless the registered key signed the statement, at a time for which it is registered.

    Codes: `statement_operator`, `statement_signature`, `statement_outside_validity`.
    """
    for error in signature_errors([(statement, registration)]):
        if error is not None:
            raise error


def signature_errors(pairs: Sequence[tuple[SignedStatement, OperatorStatement]]) -> list[SignatureInvalid | None]:
    """What `check_signed_by` raises for each of many: a call for all leaves the interpreter to others meanwhile."""
    valid = ed25519_valid(
        [
            (registration.public, statement.signature, signing_bytes(statement.operator, statement.encoded))
            for statement, registration in pairs
        ]
    )
    return [_signature_error(*pair, holds) for pair, holds in zip(pairs, valid, strict=True)]


def _signature_error(
    statement: SignedStatement, registration: OperatorStatement, holds: bool
) -> SignatureInvalid | None:
    operator, time, end = operator_id(registration.public), statement.payload.time, registration.valid_to
    if operator != statement.operator:
        return SignatureInvalid(
            "statement_operator", f"the statement is by operator {statement.operator.hex()}, not {operator.hex()}"
        )
    if not holds:
        return SignatureInvalid(
            "statement_signature", "the operator's signature does not verify: it is altered, or made with another key"
        )
    if time < registration.valid_from or (end is not None and time > end):
        return SignatureInvalid(
            "statement_outside_validity",
            f"the statement's time {time} is outside the key's validity {registration.valid_from}..{end or 'open'}",
        )
    return None


def is_registration(payload: Payload) -> bool:
    """Whether it introduces a key; the other operator statements end one."""
    return isinstance(payload, OperatorStatement) and payload.action == "register"


def _check_self_signed(payload: Payload, operator: bytes) -> None:
    """A key registers and revokes itself: nobody claims the name of a key that he does not hold, or ends another's.

    A rotation is signed by the key that ends and names the one that follows it.
    """
    if not isinstance(payload, OperatorStatement):
        return
    own = operator_id(payload.public) == operator
    if payload.action == "register" and not own:
        raise ParseError("statement_public", "an operator registers the key that signs; field 'public' is another key")
    if payload.action == "revoke" and not own:
        raise ParseError("statement_public", "an operator revokes the key that signs; field 'public' is another key")
    if payload.action == "rotate" and own:
        raise ParseError("statement_public", "a rotation names the next key; field 'public' is the key that signs")
