"""Shapes of the JSON that API, pages and command line show. Bytes are hexadecimal, times RFC 3339 in UTC."""

import time
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from ledger.statement import GenerationStatement, ModelStatement, Payload, ReplayStatement, open_statement
from web.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.content import Content
    from ledger.log import Entry, Log
    from ledger.reader import OperatorStanding
    from web.generation import LoggedRun
    from web.replay import ReplayOutcome
    from web.services import Services

Json = dict[str, object]


class HasLog(Protocol):
    """What most shapes need: the services of a server, or just an open log."""

    @property
    def log(self) -> "Log": ...


def rfc3339(seconds: int) -> str:
    """Unix seconds as `2026-01-31T12:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def log_json(services: HasLog) -> Json:
    """The log as it stands now: what an answer says holds up to this size, at this time."""
    return {"origin": services.log.origin, "size": services.log.size(), "time": rfc3339(int(time.time()))}


def record_json(services: HasLog, entry: "Entry") -> Json:
    """One record, whole. The text is there only for a public record whose content was not erased."""
    payload = open_statement(entry.statement).payload
    content = services.log.content(entry.index) if isinstance(payload, GenerationStatement) else None
    erased, log = services.log.is_erased(entry.index), log_json(services)
    replays = services.log.replays_of(entry.index)
    return {**_summary(services, entry, payload, replays), **_whole(entry, payload, content, erased, log)}


def new_record_json(services: HasLog, entry: "Entry", content: "Content | None") -> Json:
    """`record_json` of an entry that this very call appended: nothing is said about it yet, none is looked up.

    The log's size is the one that this entry gave it; it may be larger by now.
    """
    payload = open_statement(entry.statement).payload
    log: Json = {"origin": services.log.origin, "size": entry.index + 1, "time": rfc3339(entry.logged)}
    return {**_summary(services, entry, payload, []), **_whole(entry, payload, content, False, log)}


def batch_json(services: HasLog, entries: "Sequence[Entry]") -> Json:
    """Where each statement of a batch is."""
    placed = [{"record_id": entry.index, "leaf_hash": entry.leaf_hash.hex(), "new": entry.new} for entry in entries]
    return {"records": placed, "log": log_json(services)}


def _whole(entry: "Entry", payload: Payload, content: "Content | None", erased: bool, log: Json) -> Json:
    public = content is not None and content.visibility == "public"
    return {
        "statement": statement_json(payload),
        "statement_cose": b64encode(entry.statement).decode("ascii"),
        "visibility": content.visibility if content is not None else None,
        "erased": erased,
        "content": {"prompt": content.prompt_text, "output": content.output_text} if public and content else None,
        "log": log,
    }


def record_summary(services: HasLog, entry: "Entry") -> Json:
    """What a list or a verdict says about a record: never its text, nor whether it has one.

    `time` is what the operator states; `logged` is the log's own clock when it took the entry.
    """
    return _summary(services, entry, open_statement(entry.statement).payload, services.log.replays_of(entry.index))


def _summary(
    services: HasLog, entry: "Entry", payload: Payload, replays: "list[tuple[Entry, ReplayStatement]]"
) -> Json:
    return {
        "record_id": entry.index,
        "leaf_hash": entry.leaf_hash.hex(),
        "type": entry.type,
        "time": rfc3339(entry.time),
        "logged": rfc3339(entry.logged),
        "operator": operator_json(services, entry.operator),
        "model": _model_of(services, payload),
        "engine": payload.engine if isinstance(payload, GenerationStatement) else None,
        "assurance": payload.assurance if isinstance(payload, GenerationStatement) else None,
        "replays": [
            {
                "record_id": replay.index,
                "verdict": statement.verdict,
                "operator": operator_json(services, replay.operator),
                "time": rfc3339(replay.time),
                "logged": rfc3339(replay.logged),
            }
            for replay, statement in replays
        ],
        "receipt_url": receipt_url(entry.index),
    }


def statement_json(payload: Payload) -> Json:
    """The payload under its own field names; times stay Unix seconds, as they were signed."""
    return {str(name): plain(value) for name, value in payload.to_map().items()}


def operator_json(services: HasLog, operator: bytes) -> Json:
    """An operator by id; the name is what it registered under, None for one that the log does not know."""
    known = services.log.operator(operator)
    return {"id": operator.hex(), "name": known.name if known is not None else None}


def standing_json(standing: "OperatorStanding") -> Json:
    """An operator's key in the log."""
    known = standing.registration
    return {
        "id": sha256(known.public).hexdigest(),
        "name": known.name,
        "contact": known.contact,
        "public": known.public.hex(),
        "valid_from": rfc3339(known.valid_from),
        "valid_to": rfc3339(known.valid_to) if known.valid_to is not None else None,
        "record_id": standing.index,
        "ended_by": standing.ended,
        "statements": standing.statements,
        "next_counter": standing.next_counter,
        "missing": standing.missing,
        "gaps": [list(gap) for gap in standing.gaps],
    }


def model_name(services: HasLog, root: bytes) -> Json:
    """A model by root; the name is that of its first registration, None if it has none."""
    registered = services.log.model(root)
    return {"root": root.hex(), "name": registered[1].name if registered is not None else None}


def model_json(services: "Services", entry: "Entry", model: ModelStatement) -> Json:
    """One registration of a model; `artifact_url` is None unless this service holds the file."""
    held = services.engine.model.root == model.model_root
    return {
        "root": model.model_root.hex(),
        "name": model.name,
        "family": model.family,
        "parameters": model.parameters,
        "engine": model.engine,
        "sources": plain(model.sources),
        "licence": model.licence,
        "record_id": entry.index,
        "time": rfc3339(entry.time),
        "logged": rfc3339(entry.logged),
        "operator": operator_json(services, entry.operator),
        "loaded": held,
        "artifact_url": f"/models/{model.model_root.hex()}.rail" if held else None,
        "artifact_bytes": services.engine.model.size_bytes if held else None,
    }


def replay_json(outcome: "ReplayOutcome") -> Json:
    """A replay made now; it is not logged unless an auditor signs it."""
    return {
        "record_id": outcome.entry.index,
        "verdict": outcome.verdict,
        "tokens": outcome.tokens,
        "first_difference": outcome.first_difference,
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 6),
        "engine": outcome.engine,
        "kernels": outcome.kernels,
    }


def run_json(run: "LoggedRun") -> Json:
    """The `rail` object of a completion: where its record is and what replays it."""
    key = None if run.visibility == "public" else run.receipt_key
    return {
        "record_id": run.entry.index,
        "leaf_hash": run.entry.leaf_hash.hex(),
        "receipt_url": receipt_url(run.entry.index, key),
        "seed": run.transcript.params.seed,
        "visibility": run.visibility,
        "finish": run.finish,
    }


def receipt_url(index: int, key: str | None = None) -> str:
    """Path of a record's receipt; with `key` it brings the opening of a record that is not public."""
    return f"/api/records/{index}/receipt" + (f"?key={key}" if key is not None else "")


def _model_of(services: HasLog, payload: Payload) -> Json | None:
    """The model that a statement is about, None for types that have none."""
    if not isinstance(payload, GenerationStatement | ModelStatement):
        return None
    return model_name(services, payload.model_root)
