"""An operator's side of a log that somebody else runs: sign statements and submit them, safely again after any failure.

    with RailClient("https://log.example") as client:
        submitter = Submitter(client, SigningKey.load("operator.key"))
        submitter.register("Example Operator", "https://operator.example")
        answer = submitter.submit(lambda common: ModelStatement(**common, model_root=..., ...))

`common` is the time and the operator's next counter, which every statement has.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from ledger.keys import SigningKey, operator_id
from ledger.statement import OperatorStatement, Payload, sign_statement
from web.client import ClientError, RailClient

STATEMENT_TYPE = "application/cose"
BUNDLE_TYPE = "application/vnd.rail.bundle"
ATTEMPTS = 5
PAUSE_SECONDS = 1.0  # before the second attempt; twice as long before each further one
AGAIN = (429, 500, 502, 503, 504)

Make = Callable[[dict[str, int]], Payload]


def send(
    client: RailClient, statement: bytes, invitation: str | None = None, pause_seconds: float = PAUSE_SECONDS
) -> dict[str, Any]:
    """Submit a signed statement; the record. Tried again while that may help: the same is never logged twice."""
    headers = _invitation_headers(invitation)
    return _retry(lambda: client.post("/api/records", statement, STATEMENT_TYPE, headers), pause_seconds)


def send_many(
    client: RailClient,
    statements: Sequence[bytes],
    invitation: str | None = None,
    pause_seconds: float = PAUSE_SECONDS,
) -> dict[str, Any]:
    """Submit several in one step, all or none: `records` in their order."""
    bundle = b"".join(len(item).to_bytes(2, "big") + item for item in statements)
    headers = _invitation_headers(invitation)
    return _retry(lambda: client.post("/api/records/batch", bundle, BUNDLE_TYPE, headers), pause_seconds)


def _invitation_headers(invitation: str | None) -> dict[str, str] | None:
    return {"Rail-Invitation": invitation} if invitation is not None else None


def _retry(attempt: Callable[[], dict[str, Any]], pause_seconds: float) -> dict[str, Any]:
    for number in range(ATTEMPTS):
        try:
            return attempt()
        except ClientError as error:
            if number == ATTEMPTS - 1 or (error.status is not None and error.status not in AGAIN):
                raise
            time.sleep(pause_seconds * 2**number)
    raise AssertionError("the last attempt returns or raises")


class Submitter:
    """Signs with one key. Use one for a key: two would take the same counters."""

    def __init__(self, client: RailClient, key: SigningKey, pause_seconds: float = PAUSE_SECONDS) -> None:
        self.client = client
        self.key = key
        self._pause_seconds = pause_seconds
        self._counter: int | None = None  # the next one; None: ask the log

    @property
    def operator(self) -> str:
        """The operator's id, hex."""
        return operator_id(self.key.public).hex()

    def standing(self) -> dict[str, Any] | None:
        """What the log says about this key, unverified; None if it is not registered."""
        try:
            return self.client.get_json(f"/api/operators/{self.operator}")
        except ClientError as error:
            if error.status == 404:
                return None
            raise

    def submit(self, make: Make, invitation: str | None = None) -> dict[str, Any]:
        """Sign `make(common)` with the next counter and submit it; the record. Raises ClientError."""
        return self.send(self.sign(make), invitation)

    def sign(self, make: Make) -> bytes:
        """A statement with the next counter. To be sent, once or more often: a number that is not used is a gap."""
        if self._counter is None:
            standing = self.standing()
            self._counter = int(standing["next_counter"]) if standing is not None else 0
        statement = sign_statement(make({"time": int(time.time()), "counter": self._counter}), self.key)
        self._counter += 1
        return statement

    def send(self, statement: bytes, invitation: str | None = None) -> dict[str, Any]:
        """`send` this statement."""
        return send(self.client, statement, invitation, self._pause_seconds)

    def register(self, name: str, contact: str, invitation: str | None = None) -> dict[str, Any]:
        """Introduce the key to the log."""
        return self.submit(lambda common: self._operator(common, "register", self.key, name, contact), invitation)

    def rotate(self, following: "Submitter") -> dict[str, Any]:
        """End this key in favour of another one, which is registered under the same name in the same step."""
        name, contact = self._names()
        statements = []
        if following.standing() is None:
            statements.append(
                following.sign(lambda common: self._operator(common, "register", following.key, name, contact))
            )
        statements.append(self.sign(lambda common: self._operator(common, "rotate", following.key, name, contact)))
        return send_many(self.client, statements, pause_seconds=self._pause_seconds)

    def revoke(self) -> dict[str, Any]:
        """End this key."""
        name, contact = self._names()
        return self.submit(lambda common: self._operator(common, "revoke", self.key, name, contact))

    def _names(self) -> tuple[str, str]:
        standing = self.standing()
        if standing is None:
            raise ClientError("operator_not_registered", f"operator {self.operator} is not registered in this log")
        return str(standing["name"]), str(standing["contact"])

    @staticmethod
    def _operator(common: dict[str, int], action: str, about: SigningKey, name: str, contact: str) -> OperatorStatement:
        validity = {"valid_from": common["time"], "valid_to": None}
        return OperatorStatement(
            **common,
            name=name,
            contact=contact,
            public=about.public,
            action=action,
            **validity,  # type: ignore[arg-type]
        )
