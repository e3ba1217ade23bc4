"""What a client remembers between two runs: one JSON file, replaced in one step, and never taken for new if damaged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ledger.errors import LedgerError
from web.audit.errors import AuditError
from web.files import replace_file

State = TypeVar("State")


def load_json(
    path: Path, limit: int, form: str, parse: Callable[[dict[str, Any]], State], what: str, loss: str
) -> State | None:
    """The state in `path`, None if there is no such file. AuditError `state_unreadable` if it is damaged.

    `form` is the value of its member `format`; `what` names the state in the message, `loss` says what deleting means.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    try:
        if len(data) > limit:
            raise ValueError(f"larger than {limit} bytes")
        value = json.loads(data)
        if value["format"] != form:
            raise ValueError(f"format {value['format']!r}")
        return parse(value)
    except (LedgerError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AuditError(
            "state_unreadable",
            f"{path} is not {what} ({type(error).__name__}: {error})",
            f"restore it from a backup; deleting it means {loss}",
        ) from error


def save_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file, readable by its owner only; a crash leaves the old state or the new one."""
    replace_file(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
