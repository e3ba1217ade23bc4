"""What an auditor remembers of a log between two audits: its key, the last checkpoint, and who its operators are."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.keys import operator_id
from ledger.statement import OperatorStatement, check_signed_by, open_statement
from web.state_file import load_json, save_json

FORMAT = "rail-audit-state/1"
STATE_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class KnownOperator:
    """An operator whose registration this auditor has checked."""

    leaf: bytes  # the signed registration, as it is in the log
    registration: OperatorStatement  # what it says
    counter: int  # the highest counter seen in a statement of this operator
    ended: int | None = None  # the entry that rotated or revoked the key; None: it is in use

    @classmethod
    def from_leaf(cls, leaf: bytes, counter: int, ended: int | None = None) -> "KnownOperator":
        """Raises LedgerError or ValueError unless `leaf` is a registration signed by the key that it introduces."""
        statement = open_statement(leaf)
        payload = statement.payload
        if not isinstance(payload, OperatorStatement) or payload.action != "register":
            raise ValueError("not an operator's registration")
        check_signed_by(statement, payload)
        return cls(leaf, payload, counter, ended)


@dataclass(frozen=True, slots=True)
class AuditState:
    """Everything that was checked so far holds for the tree of `checkpoint`."""

    log_vkey: str
    checkpoint: bytes  # the signed note, as the log sent it
    operators: Mapping[bytes, KnownOperator]  # by operator id


def load_state(path: Path) -> AuditState | None:
    """The state in `path`, None if there is no such file. Raises AuditError (`state_unreadable`) if it is damaged."""
    return load_json(
        path, STATE_BYTES_MAX, FORMAT, _parse, "the state of an audit", "to trust the log anew, from nothing"
    )


def save_state(path: Path, state: AuditState) -> None:
    """Replace the file in one step, readable by its owner only; a crash leaves the old state or the new one."""
    value = {
        "format": FORMAT,
        "log_vkey": state.log_vkey,
        "checkpoint": state.checkpoint.decode(),
        "operators": operators_to_json(state.operators),
    }
    save_json(path, value)


def operators_to_json(operators: Mapping[bytes, KnownOperator]) -> list[dict[str, Any]]:
    """For a state file; inverse of `operators_from_json`."""
    return [
        {"registration": b64encode(known.leaf).decode(), "counter": known.counter, "ended": known.ended}
        for _, known in sorted(operators.items())
    ]


def operators_from_json(items: list[dict[str, Any]]) -> dict[bytes, KnownOperator]:
    """Raises LedgerError, ValueError, KeyError or TypeError for anything that `operators_to_json` does not make."""
    known = [
        KnownOperator.from_leaf(
            b64decode(item["registration"], validate=True),
            int(item["counter"]),
            # States from before keys could end have no such member.
            int(item["ended"]) if item.get("ended") is not None else None,
        )
        for item in items
    ]
    return {operator_id(item.registration.public): item for item in known}


def _parse(value: dict[str, Any]) -> AuditState:
    return AuditState(str(value["log_vkey"]), value["checkpoint"].encode(), operators_from_json(value["operators"]))
