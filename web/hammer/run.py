"""One blow: register, sign, write and read at once, then hold everything against one last checkpoint."""

import statistics
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ledger.errors import LedgerError
from ledger.keys import SigningKey, VerifyKey
from web.audit.errors import LogBroken
from web.client import RailClient
from web.hammer.readers import Seen, look_for_all, read
from web.hammer.statements import sign_generations
from web.hammer.writers import Written, write
from web.submitter import Submitter

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Load:
    """How hard to strike."""

    statements: int
    writers: int
    readers: int
    batch: int  # statements in a request; 1: single submission


@dataclass(frozen=True, slots=True)
class Blow:
    """What happened. Milliseconds are from a request to its acknowledgement."""

    acknowledged: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    size: int  # of the log at the end; 0 if its last checkpoint does not hold
    checkpoints: int
    consistency_checks: int
    inclusion_checks: int
    given_up: int
    errors: dict[str, int]
    faults: list[str]

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def strike(
    url: str,
    key: SigningKey,
    log_vkey: str | None,
    load: Load,
    invitation: str | None,
    signing: Advance,
    writing: Advance,
) -> Blow:
    """Raises ClientError if the service cannot be asked at all, or does not take the operator's registration.

    `log_vkey` None: the key that the service itself names, which proves less.
    """
    with RailClient(url) as client:
        facts = client.get_json("/.well-known/rail.json")
        log_key = VerifyKey.parse(log_vkey or str(facts["log_vkey"]))
        me = Submitter(client, key)
        standing = me.standing()
        if standing is None:
            me.register("hammer", "a load test", invitation)
            standing = me.standing()
        first = int(standing["next_counter"]) if standing is not None else 1
        root, engine = bytes.fromhex(facts["model"]["root"]), str(facts["engine"])
        statements = sign_generations(key, root, engine, first, load.statements, signing)
        written, seen, stop = Written(), Seen(), threading.Event()
        readers = [
            threading.Thread(target=read, args=(url, log_key, written, seen, stop), name=f"reader {number}")
            for number in range(load.readers)
        ]
        for reader in readers:
            reader.start()
        try:
            seconds = write(
                url,
                statements,
                load.writers,
                load.batch,
                written,
                lambda: writing(len(written.acknowledged), load.statements),
            )
        finally:
            stop.set()
            for reader in readers:
                reader.join()
        try:
            size = look_for_all(client, log_key, written, seen).checkpoint.size
        except (LogBroken, LedgerError) as error:
            written.fault(f"[{error.code}] {error}")
            size = 0
    times = sorted(written.milliseconds) or [0.0]
    return Blow(
        acknowledged=len(written.acknowledged),
        seconds=round(seconds, 3),
        per_second=round(len(written.acknowledged) / seconds, 1),
        p50_ms=round(statistics.median(times), 1),
        p99_ms=round(times[(len(times) - 1) * 99 // 100], 1),
        max_ms=round(times[-1], 1),
        size=size,
        checkpoints=seen.checkpoints,
        consistency_checks=seen.consistency,
        inclusion_checks=seen.inclusions,
        given_up=written.given_up,
        errors=dict(written.errors),
        faults=written.faults,
    )
