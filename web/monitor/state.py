"""What a monitor remembers: how far it has told of the log, who its operators are, and what is wrong at the moment.

The cursor is the number of entries whose events were delivered. It is written after the delivery: a crash between the
two, or a webhook that does not answer, means that the same events come again, with the same ids, and none is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.checkpoint import open_checkpoint
from ledger.keys import VerifyKey
from web.audit.state import KnownOperator, operators_from_json, operators_to_json
from web.monitor.event import Event
from web.state_file import load_json, save_json

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


def save_state(path: Path, state: MonitorState) -> None:
    """Replace the file in one step."""
    value = {
        "format": FORMAT,
        "log_vkey": state.key.vkey,
        "checkpoint": state.checkpoint.decode(),
        "cursor": state.cursor,
        "operators": operators_to_json(state.operators),
        "fresh": state.fresh,
        "conditions": dict(state.conditions),
        "recent": [event.to_json() for event in state.recent[-RECENT_MAX:]],
    }
    save_json(path, value)


def load_state(path: Path) -> MonitorState | None:
    """The state in `path`, None if there is no such file. AuditError `state_unreadable` if it is damaged."""
    return load_json(
        path, STATE_BYTES_MAX, FORMAT, _parse, "the state of a monitor", "to begin again at the first entry"
    )


def _parse(value: dict[str, Any]) -> MonitorState:
    key, note, cursor = VerifyKey.parse(value["log_vkey"]), value["checkpoint"].encode(), value["cursor"]
    if type(cursor) is not int or not 0 <= cursor <= open_checkpoint(note, key).size:
        raise ValueError(f"cursor {cursor!r} is not in the tree of the checkpoint")
    return MonitorState(
        key,
        note,
        cursor,
        operators_from_json(value["operators"]),
        int(value["fresh"]),
        {str(kind): str(message) for kind, message in value["conditions"].items()},
        tuple(Event.from_json(item) for item in value["recent"]),
    )
