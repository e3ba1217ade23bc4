"""What the pages list: records, models, audits, and the log's state, as the JSON that both page and twin show."""

from ledger.checkpoint import open_checkpoint
from ledger.log import Entry
from ledger.policy import open_counted
from ledger.statement import open_statement
from web.errors import RequestError
from web.present import Json, log_json, model_json, record_summary, rfc3339, statement_json
from web.services import Services

PAGE_RECORDS = 50
INDEX_DIGITS_MAX = 18


def record_page(services: Services, before: str | None) -> Json:
    """Up to 50 records with an index below `before` (None: the newest), newest first.

    `older` and `newer` are the `before` of the neighbouring pages, None where there is none. RequestError
    `invalid_before` for anything that is not an index.
    """
    size = services.log.size()
    stop = size if before is None else min(_index(before), size)
    start = max(0, stop - PAGE_RECORDS)
    return {
        "records": newest(services, stop, PAGE_RECORDS),
        "newer": min(stop + PAGE_RECORDS, size) if stop < size else None,
        "older": start if start > 0 else None,
        "log": log_json(services),
    }


def newest(services: Services, stop: int, limit: int) -> list[Json]:
    """The last `limit` records before index `stop`, newest first."""
    entries = list(services.log.entries(max(0, stop - limit), stop))
    return [_listed(services, entry) for entry in reversed(entries)]


def model_page(services: Services) -> Json:
    """Every registered model."""
    models = [model_json(services, entry, statement) for entry, statement in services.log.models()]
    return {"models": models, "log": log_json(services)}


def audit_page(services: Services) -> Json:
    """The last 50 published replays, newest first."""
    audits = [_listed(services, entry) for entry, _ in services.log.latest_replays(PAGE_RECORDS)]
    return {"audits": audits, "log": log_json(services)}


def log_state(services: Services) -> Json:
    """Size, root and checkpoint that belong together, whatever is appended meanwhile."""
    note = services.publication.checkpoint(services.log)
    head = open_checkpoint(note, services.log.key, services.log.origin)
    return {
        **log_json(services),
        "size": head.size,
        "root": head.root.hex(),
        "vkey": services.log.vkey,
        "checkpoint": note.decode("utf-8"),
        "witnesses": _witnesses(services, note),
    }


def _witnesses(services: Services, note: bytes) -> Json | None:
    """Which witnesses cosigned this checkpoint, when, and whether they are enough; None if the log has none."""
    policy = services.publication.policy
    if policy is None:
        return None
    cosignatures = open_counted(note, policy, services.log.key).cosignatures
    times = {item.key: item.time for item in cosignatures}
    failures = {state.name: state.failure for state in services.feeder.states()} if services.feeder is not None else {}
    return {
        "quorum": policy.describe(),
        "met": policy.is_met(times.keys()),
        "keys": [
            {
                "vkey": key.vkey,
                "time": rfc3339(time) if (time := times.get(key)) else None,
                "failure": failures.get(key.name),
            }
            for key in policy.witness_keys
        ],
    }


def _listed(services: Services, entry: Entry) -> Json:
    """A record's summary with its statement: lists show no text."""
    return {**record_summary(services, entry), "statement": statement_json(open_statement(entry.statement).payload)}


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= INDEX_DIGITS_MAX):
        raise RequestError("invalid_before", "before must be the index of a record", 400, "before")
    return int(text)
