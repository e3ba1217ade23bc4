"""Who may sign: operators as their own registrations in the log introduce them, and the counters they used since."""

from collections.abc import Mapping
from dataclasses import replace

from ledger.errors import SignatureInvalid
from ledger.statement import OperatorStatement, SignedStatement, check_signed_by, is_registration, open_statement
from web.audit.state import KnownOperator

REMARKS_MAX = 100  # kept; a hostile log must not fill the memory


class OperatorBook:
    """Checks statements in the order of the log and learns operators from them."""

    def __init__(self, known: Mapping[bytes, KnownOperator]) -> None:
        self.known = dict(known)
        self.gaps: list[str] = []  # counters skipped or used twice: remarks, not proof of anything

    def check(self, leaf: bytes) -> SignedStatement:
        """The statement in `leaf`, its signature checked with a key that the log itself introduced before.

        Raises ParseError for anything but a canonical statement, SignatureInvalid for a wrong signature, a time
        outside the key's validity, a key that was rotated or revoked, or an operator that has not registered.
        """
        statement = open_statement(leaf)
        payload = statement.payload
        if isinstance(payload, OperatorStatement) and is_registration(payload):
            check_signed_by(statement, payload)
            return statement
        known = self.known.get(statement.operator)
        if known is None:
            raise SignatureInvalid("operator_unknown", f"no registered operator has id {statement.operator.hex()}")
        if known.ended is not None:
            raise SignatureInvalid("operator_ended", f"entry {known.ended} rotated or revoked the key that signed")
        check_signed_by(statement, known.registration)
        return statement

    def admit(self, index: int, leaf: bytes) -> SignedStatement:
        """`check` the leaf at `index`, then remember its operator and counter."""
        statement = self.check(leaf)
        counter = statement.payload.counter
        known = self.known.get(statement.operator)
        last = -1 if known is None else known.counter
        if counter != last + 1 and len(self.gaps) < REMARKS_MAX:
            self.gaps.append(f"entry {index}: counter {counter} of {statement.operator.hex()[:16]}… follows {last}")
        if known is None:
            known = KnownOperator.from_leaf(leaf, counter)
        ends = isinstance(statement.payload, OperatorStatement) and not is_registration(statement.payload)
        self.known[statement.operator] = replace(
            known, counter=max(counter, last), ended=index if ends else known.ended
        )
        return statement
