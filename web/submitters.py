"""Who may submit to this log, and how much: the host's own choice, kept in one file beside the keys.

    HOME/submitters.json    {"format": "rail-submitters/1", "policy": "invited",
                             "default": {"per_minute": 600, "statements": null, "keep_days": null},
                             "operators": {"<operator id>": {"standing": "listed", "limits": {...}}},
                             "invitations": {"<SHA-256 of the code>": {"uses": 1, "expires": 1800000000}}}

`open`: whoever registers. `listed`: only operators on the list. `invited`: those, and whoever registers with the code
of an invitation, which puts it on the list. The host's own operator is never held to any of this. What the log itself
demands of a statement is ledger/SPEC.md, section 13; this comes before it and leaves no trace in the log.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from web.errors import SettingsError
from web.files import replace_file
from web.lock import FileLock

FORMAT: Final = "rail-submitters/1"
POLICIES: Final = ("open", "listed", "invited")
STANDINGS: Final = ("listed", "denied")
FILE_BYTES_MAX: Final = 32 << 20
NUMBER_MAX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one operator; None: no limit."""

    per_minute: int | None = None  # statements, as a rate that may be used up at once
    statements: int | None = None  # in the log in all
    keep_days: int | None = None  # content older than this is erased by `rail operator retain`


@dataclass(frozen=True, slots=True)
class Known:
    """What the host decided about one operator."""

    standing: str | None = None  # `listed`, `denied`, or None: nothing but limits
    limits: Limits | None = None  # None: the default ones


@dataclass(frozen=True, slots=True)
class Invitation:
    uses: int  # registrations that are left
    expires: int  # Unix seconds


@dataclass(frozen=True, slots=True)
class Submitters:
    """The whole of the file, as a value."""

    policy: str = "open"
    default: Limits = field(default_factory=Limits)
    operators: dict[str, Known] = field(default_factory=dict)  # by operator id, hex
    invitations: dict[str, Invitation] = field(default_factory=dict)  # by the code's SHA-256, hex

    def limits_of(self, operator: str) -> Limits:
        known = self.operators.get(operator)
        return known.limits if known is not None and known.limits is not None else self.default

    def with_operator(self, operator: str, **changes: Any) -> "Submitters":
        known = replace(self.operators.get(operator, Known()), **changes)
        return replace(self, operators={**self.operators, operator: known})

    def to_json(self) -> bytes:
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=2, sort_keys=True) + "\n").encode()


class SubmittersFile:
    """The file under a lock that the service and the commands respect. A missing file is the open policy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_suffix(".lock"))
        self._seen: tuple[int, int, int] | None = None  # the file's state when `_value` was read
        self._value = Submitters()

    def read(self) -> Submitters:
        """The present value; reads the file again only if it was replaced. SettingsError `submitters_unreadable`."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return Submitters()
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if seen != self._seen:
            self._value = _load(self.path)
            self._seen = seen
        return self._value

    @contextmanager
    def change(self) -> Iterator["Change"]:
        """Under the lock: `change.value` is the present value; what it is at the end is written."""
        with self._lock.hold():
            before = self.read()
            change = Change(before)
            yield change
            if change.value != before:
                replace_file(self.path, change.value.to_json())


@dataclass(slots=True)
class Change:
    value: Submitters


def _load(path: Path) -> Submitters:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"larger than {FILE_BYTES_MAX} bytes")
        value = json.loads(data)
        if value.pop("format") != FORMAT:
            raise ValueError("another format")
        if value["policy"] not in POLICIES:
            raise ValueError(f"policy {value['policy']!r}")
        operators = {
            name: Known(_standing(item["standing"]), _limits(item["limits"]) if item["limits"] is not None else None)
            for name, item in value["operators"].items()
        }
        invitations = {
            name: Invitation(_number(item["uses"]), _number(item["expires"]))
            for name, item in value["invitations"].items()
        }
        return Submitters(value["policy"], _limits(value["default"]), operators, invitations)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SettingsError(
            "submitters_unreadable", f"{path} is not a list of submitters ({type(error).__name__}: {error}); restore it"
        ) from error


def _limits(value: dict[str, object]) -> Limits:
    return Limits(**{name: None if item is None else _number(item) for name, item in value.items()})


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= NUMBER_MAX:
        raise ValueError(f"{value!r:.40} is not a number of 0 or more")
    return value


def _standing(value: object) -> str | None:
    if value is not None and value not in STANDINGS:
        raise ValueError(f"standing {value!r:.40}")
    return str(value) if value is not None else None
