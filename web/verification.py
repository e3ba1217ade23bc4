"""Verify a pasted text: the index's verdict, joined with what the log says about each record."""

from typing import Any, Protocol

from ledger.index import ContentIndex
from web.present import HasLog, log_json, record_summary


class Searchable(HasLog, Protocol):
    """A log with its index: the services of a server, or a log opened by a command."""

    @property
    def index(self) -> ContentIndex: ...


def verify_text(services: Searchable, text: str) -> dict[str, Any]:
    """The verdict on `text` as JSON: matched spans, and for each record who made it, when, with which model.

    A text that cannot be checked is a verdict (`unchecked` and its reason), not an error. The text of a record is
    not part of the answer, and a private record cannot appear in it.
    """
    services.index.catch_up(services.log)
    state = log_json(services)
    verdict = services.index.verify(text, services.log).to_json()
    records = [
        {**match, **record_summary(services, services.log.entry(match["record_id"]))} for match in verdict["records"]
    ]
    first = min(records, key=lambda record: record["record_id"], default=None)
    return {
        **verdict,
        "records": [{**record, "later_than": later_than(record, first)} for record in records],
        "first_registered": first and {name: first[name] for name in ("record_id", "logged", "operator")},
        "registrants": len({record["operator"]["id"] for record in records}),
        "log": state,
    }


def later_than(record: dict[str, Any], first: dict[str, Any] | None) -> int | None:
    """The earliest of the records, if another operator registered it: who registers a known text later is told so."""
    if first is None or first["operator"]["id"] == record["operator"]["id"]:
        return None
    found: int = first["record_id"]
    return found
