"""Puts an auditor's verdicts into the log that was audited, signed with the auditor's own key."""

import time
from collections.abc import Iterable

from inference.config import ENGINE
from ledger.keys import SigningKey, operator_id
from ledger.statement import OperatorStatement, Payload, ReplayStatement, sign_statement
from web.audit.operators import OperatorBook
from web.audit.replays import Replay
from web.client import RailClient

MEDIA_TYPE = "application/cose"


def publish(client: RailClient, book: OperatorBook, key: SigningKey, rows: Iterable[Replay]) -> list[int]:
    """Submit one `replay` statement for each row that was really run; returns their record ids.

    Registers the auditor first if the log does not know it. Counters go on from the highest that this auditor
    has in the log, which `book` has read up to the checkpoint. Raises ClientError with the log's refusal.
    """
    known = book.known.get(operator_id(key.public))
    counter = 0 if known is None else known.counter + 1
    now = int(time.time())
    payloads: list[Payload] = []
    if known is None:
        payloads.append(
            OperatorStatement(
                time=now,
                counter=counter,
                name=key.name,
                contact="none given",
                public=key.public,
                valid_from=now,
                valid_to=None,
                action="register",
            )
        )
    for row in rows:
        if row.verdict in ("match", "mismatch"):
            payloads.append(
                ReplayStatement(
                    time=now,
                    counter=counter + len(payloads),
                    entry_index=row.index,
                    entry_leaf_hash=row.leaf_hash,
                    verdict=row.verdict,
                    first_difference=row.first_difference,
                    reason=row.reason,
                    engine=ENGINE,
                )
            )
    ids = [int(client.post("/api/records", sign_statement(item, key), MEDIA_TYPE)["record_id"]) for item in payloads]
    return ids if known is not None else ids[1:]
