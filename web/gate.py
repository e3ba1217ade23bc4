"""The gate before the log: holds each submission to the host's list of submitters, its rates and its quotas.

Rates and counts are kept in this process, which is the one that serves: a rate begins full after a start, a count is
read from the log when an operator is first seen.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256

from ledger.errors import at_position
from ledger.keys import operator_id
from ledger.log import Log
from ledger.statement import OperatorStatement, SignedStatement, check_signed_by, is_registration
from web.errors import RequestError
from web.submitters import Known, Limits, Submitters, SubmittersFile

INVITATION_CHARS_MAX = 100
OPERATORS_MAX = 10_000  # whose rates and counts are remembered
SECONDS_PER_MINUTE = 60


@dataclass(slots=True)
class _Use:
    """What one operator has used."""

    tokens: float  # statements that it may submit at once
    filled: float  # when `tokens` was right, by the monotonic clock
    statements: int  # in the log


class Gate:
    """Safe for threads."""

    def __init__(self, file: SubmittersFile, log: Log, own: bytes) -> None:
        """`own`: the host's operator id, to whom all is allowed."""
        self._file = file
        self._log = log
        self._own = own
        self._lock = threading.Lock()
        self._guests = threading.Lock()
        self._uses: OrderedDict[bytes, _Use] = OrderedDict()

    def is_open(self) -> bool:
        """Whether everybody may submit without limit: there is nothing to check."""
        return self._file.read() == Submitters()

    @contextmanager
    def guest(self, invitation: str | None) -> Iterator[None]:
        """Around `enter` and `entered`: those who bring an invitation come one by one, so that no use counts twice."""
        if invitation is None:
            yield
            return
        with self._guests:
            yield

    def enter(self, statements: Sequence[SignedStatement], invitation: str | None) -> None:
        """Raise RequestError unless all of a group may be submitted; takes them off their operators' rates.

        403 `operator_denied`, `operator_not_listed`, `invitation_needed`, `invitation_invalid`; 429 `rate_limited`,
        `quota_exceeded`. Where there is a limit, SignatureInvalid: nobody uses up the rate of another.
        """
        submitters = self._file.read()
        counts: dict[bytes, int] = {}
        heirs = _heirs(submitters, statements)
        for position, statement in enumerate(statements):
            if statement.operator == self._own:
                continue
            if statement.operator not in heirs:
                _check_standing(submitters, statement, invitation, counts)
            counts[statement.operator] = counts.get(statement.operator, 0) + 1
            if submitters.limits_of(statement.operator.hex()) != Limits():
                with at_position(position):
                    self._check_signature(statement)
        for operator, count in counts.items():
            self._take(operator, count, submitters.limits_of(operator.hex()))

    def _check_signature(self, statement: SignedStatement) -> None:
        payload = statement.payload
        if isinstance(payload, OperatorStatement) and is_registration(payload):
            check_signed_by(statement, payload)
        elif (registration := self._log.operator(statement.operator)) is not None:
            check_signed_by(statement, registration)
        # Else it is unknown, and the log refuses it; or it follows its registration in this very group.

    def entered(self, statements: Sequence[SignedStatement], invitation: str | None, new: Sequence[bool]) -> None:
        """What was submitted is in the log: count it, and list those who registered by invitation."""
        with self._lock:
            for statement, is_new in zip(statements, new, strict=True):
                use = self._uses.get(statement.operator)
                if use is not None and is_new:
                    use.statements += 1
        submitters = self._file.read()
        heirs = _heirs(submitters, statements) if any(new) else {}
        guests: set[str] = set()
        if invitation is not None and submitters.policy == "invited":
            guests = {
                statement.operator.hex()
                for statement, is_new in zip(statements, new, strict=True)
                if is_new and statement.operator != self._own and is_registration(statement.payload)
            } - {heir.hex() for heir in heirs}
        if heirs or guests:
            self._list(heirs, guests, invitation)

    def _list(self, heirs: dict[bytes, bytes], guests: set[str], invitation: str | None) -> None:
        code = digest_of(invitation) if invitation is not None else ""
        with self._file.change() as change:
            for name in sorted(guests):
                change.value = change.value.with_operator(name, standing="listed")
            for heir, operator in heirs.items():
                inherited = self._inherited(change.value, operator)
                known = change.value.operators.get(heir.hex(), inherited)  # what was decided about it before stays
                if inherited != Known():
                    limits = known.limits
                    change.value = change.value.with_operator(heir.hex(), standing=inherited.standing, limits=limits)
            left = change.value.invitations.get(code)
            if guests and left is not None:
                rest = {name: item for name, item in change.value.invitations.items() if name != code}
                uses = left.uses - len(guests)
                change.value = replace(
                    change.value, invitations={**rest, code: replace(left, uses=uses)} if uses > 0 else rest
                )

    def _inherited(self, submitters: Submitters, operator: bytes) -> Known:
        """What the host decided about a key, for the one that it rotated to. A new key is no new quota."""
        known, limits = submitters.operators.get(operator.hex(), Known()), submitters.limits_of(operator.hex())
        standing = self._log.operator_standing(operator)
        if limits.statements is None or standing is None:
            return known
        return replace(known, limits=replace(limits, statements=max(limits.statements - standing.statements, 0)))

    def _take(self, operator: bytes, count: int, limits: Limits) -> None:
        if limits.per_minute is None and limits.statements is None:
            return
        with self._lock:
            use = self._use(operator, limits)
            if limits.statements is not None and use.statements + count > limits.statements:
                raise RequestError(
                    "quota_exceeded",
                    f"operator {operator.hex()[:16]}… has {use.statements} statements in this log, "
                    f"of {limits.statements} that its host allows; ask the host for more",
                    429,
                )
            if limits.per_minute is None:
                return
            now = time.monotonic()
            rate = limits.per_minute / SECONDS_PER_MINUTE
            use.tokens = min(float(limits.per_minute), use.tokens + (now - use.filled) * rate)
            use.filled = now
            if count > limits.per_minute:
                raise RequestError(
                    "rate_limited", f"a group of {count} is over the {limits.per_minute} statements a minute", 429
                )
            if count > use.tokens:
                seconds = int((count - use.tokens) / rate) + 1
                raise RequestError(
                    "rate_limited",
                    f"operator {operator.hex()[:16]}… may submit {limits.per_minute} statements a minute; "
                    f"retry in {seconds} s",
                    429,
                    retry_seconds=seconds,
                )
            use.tokens -= count

    def _use(self, operator: bytes, limits: Limits) -> _Use:
        use = self._uses.get(operator)
        if use is None:
            standing = self._log.operator_standing(operator)
            statements = standing.statements if standing is not None else 0
            use = self._uses[operator] = _Use(float(limits.per_minute or 0), time.monotonic(), statements)
            if len(self._uses) > OPERATORS_MAX:
                self._uses.popitem(last=False)
        self._uses.move_to_end(operator)
        return use


def digest_of(invitation: str) -> str:
    """The name under which the file keeps a code, which it does not hold itself."""
    return sha256(invitation.encode()).hexdigest()


def _heirs(submitters: Submitters, statements: Sequence[SignedStatement]) -> dict[bytes, bytes]:
    """The keys to which operators who may submit rotate their own in this group, each with the one that it follows."""

    def standing(operator: bytes) -> str | None:
        return submitters.operators.get(operator.hex(), Known()).standing

    found = {
        operator_id(statement.payload.public): statement.operator
        for statement in statements
        if isinstance(statement.payload, OperatorStatement) and statement.payload.action == "rotate"
    }
    needed = (None, "listed") if submitters.policy == "open" else ("listed",)
    return {heir: old for heir, old in found.items() if standing(old) in needed and standing(heir) != "denied"}


def _check_standing(
    submitters: Submitters, statement: SignedStatement, invitation: str | None, counts: dict[bytes, int]
) -> None:
    name = statement.operator.hex()
    known = submitters.operators.get(name)
    if known is not None and known.standing == "denied":
        raise RequestError("operator_denied", f"this log's host takes no statements of operator {name}", 403)
    if submitters.policy == "open" or (known is not None and known.standing == "listed"):
        return
    registers = is_registration(statement.payload)
    if submitters.policy == "listed" or (not registers and statement.operator not in counts):
        raise RequestError(
            "operator_not_listed", f"operator {name} is not on this log's list of submitters; ask its host", 403
        )
    if not registers:
        return  # after its own registration, in one group with it
    if invitation is None:
        raise RequestError(
            "invitation_needed", "this log takes registrations by invitation; send its code as Rail-Invitation", 403
        )
    found = submitters.invitations.get(digest_of(invitation)) if len(invitation) <= INVITATION_CHARS_MAX else None
    if found is None or found.uses < 1 or found.expires < time.time():
        raise RequestError("invitation_invalid", "no such invitation, or it was used up or has expired", 403)
