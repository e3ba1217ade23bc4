"""What a monitor remembers: how far it has told of the log, who its operators are, and what is wrong at the moment.

The cursor is the number of entries whose events were delivered. It is written after the delivery: a crash between the
two, or a webhook that does not answer, means that the same events come again, with the same ids, and none is lost.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.checkpoint import open_checkpoint
from ledger.errors import LedgerError
from ledger.keys import VerifyKey, operator_id
from web.audit.errors import AuditError
from web.audit.state import KnownOperator
from web.files import replace_file
from web.monitor.event import Event

FORMAT = "rail-monitor-state/1"
STATE_BYTES_MAX = 64 << 20
RECENT_MAX = 200  # events that the Atom feed shows


@dataclass(frozen=True, slots=True)
class MonitorState:
    """Everything below `cursor` was checked and told of; it is in the tree of `checkpoint`."""

    key: VerifyKey
    checkpoint: bytes  # the signed note that was seen last
    cursor: int
    operators: Mapping[bytes, KnownOperator]
    fresh: (
        int  # Unix seconds: newest cosignature by a witness of the policy; without any, when the log was seen to grow
    )
    conditions: Mapping[str, str]  # kind -> message of what began and is not over: `stale`, `quorum_lost`
    recent: tuple[Event, ...]  # newest last

    def to_json(self) -> str:
        value = {
            "format": FORMAT,
            "log_vkey": self.key.vkey,
            "checkpoint": self.checkpoint.decode(),
            "cursor": self.cursor,
            "operators": [
                {"registration": b64encode(known.leaf).decode(), "counter": known.counter}
                for _, known in sorted(self.operators.items())
            ],
            "fresh": self.fresh,
            "conditions": dict(self.conditions),
            "recent": [event.to_json() for event in self.recent[-RECENT_MAX:]],
        }
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def save_state(path: Path, state: MonitorState) -> None:
    """Replace the file in one step."""
    replace_file(path, state.to_json().encode())


def load_state(path: Path) -> MonitorState | None:
    """The state in `path`, None if there is no such file. AuditError `state_unreadable` if it is damaged."""
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
            f"{path} is not the state of a monitor ({type(error).__name__}: {error})",
            "restore it from a backup; deleting it means to begin again at the first entry",
        ) from error


def _parse(value: dict[str, Any]) -> MonitorState:
    if value["format"] != FORMAT:
        raise ValueError(f"format {value['format']!r}")
    key, note, cursor = VerifyKey.parse(value["log_vkey"]), value["checkpoint"].encode(), value["cursor"]
    if type(cursor) is not int or not 0 <= cursor <= open_checkpoint(note, key).size:
        raise ValueError(f"cursor {cursor!r} is not in the tree of the checkpoint")
    known = [
        KnownOperator.from_leaf(b64decode(item["registration"], validate=True), int(item["counter"]))
        for item in value["operators"]
    ]
    return MonitorState(
        key,
        note,
        cursor,
        {operator_id(item.registration.public): item for item in known},
        int(value["fresh"]),
        {str(kind): str(message) for kind, message in value["conditions"].items()},
        tuple(Event.from_json(item) for item in value["recent"]),
    )
