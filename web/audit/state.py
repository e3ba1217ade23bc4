"""What an auditor remembers of a log between two audits: its key, the last checkpoint, and who its operators are."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.errors import LedgerError
from ledger.keys import operator_id
from ledger.statement import OperatorStatement, check_signed_by, open_statement
from web.audit.errors import AuditError
from web.files import replace_file

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

    def to_json(self) -> str:
        operators = [
            {"registration": b64encode(known.leaf).decode(), "counter": known.counter, "ended": known.ended}
            for _, known in sorted(self.operators.items())
        ]
        value = {
            "format": FORMAT,
            "log_vkey": self.log_vkey,
            "checkpoint": self.checkpoint.decode(),
            "operators": operators,
        }
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def load_state(path: Path) -> AuditState | None:
    """The state in `path`, None if there is no such file. Raises AuditError (`state_unreadable`) if it is damaged."""
    try:
        with path.open("rb") as file:
            data = file.read(STATE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    try:
        if len(data) > STATE_BYTES_MAX:
            raise ValueError(f"larger than {STATE_BYTES_MAX} bytes")
        return _parse(json.loads(data))
    except (LedgerError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditError(
            "state_unreadable",
            f"{path} is not the state of an audit ({type(error).__name__}: {error})",
            "restore it from a backup; deleting it means to trust the log anew, from nothing",
        ) from error


def _parse(value: dict[str, Any]) -> AuditState:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']!r}")
    known = [
        KnownOperator.from_leaf(
            b64decode(item["registration"], validate=True),
            int(item["counter"]),
            # States from before keys could end have no such member.
            int(item["ended"]) if item.get("ended") is not None else None,
        )
        for item in value["operators"]
    ]
    operators = {operator_id(item.registration.public): item for item in known}
    return AuditState(str(value["log_vkey"]), value["checkpoint"].encode(), operators)


def save_state(path: Path, state: AuditState) -> None:
    """Replace the file in one step, readable by its owner only; a crash leaves the old state or the new one."""
    replace_file(path, state.to_json().encode())
