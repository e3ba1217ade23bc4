"""The writing half: submit signed statements over several connections and remember what was acknowledged."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ledger.merkle import leaf_hash
from web.client import ClientError
from web.hammer.wire import Wire
from web.submitter import BUNDLE_TYPE, STATEMENT_TYPE

FAULTS_MAX = 100
ATTEMPTS = 5
PAUSE_SECONDS = 0.5


@dataclass(slots=True)
class Written:
    """What the writers were told. Shared by all threads, under its lock."""

    acknowledged: dict[int, bytes] = field(default_factory=dict)  # leaf hash by index
    milliseconds: list[float] = field(default_factory=list)  # from request to answer, of each that was acknowledged
    errors: Counter[str] = field(default_factory=Counter)  # answers that were no acknowledgement, by code
    given_up: int = 0  # statements whose outcome was never told
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, message: str) -> None:
        with self.lock:
            if len(self.faults) < FAULTS_MAX:
                self.faults.append(message)


def write(
    url: str, statements: Sequence[bytes], writers: int, batch: int, written: Written, done: Callable[[], None]
) -> float:
    """Submit all, `batch` in a request; `done` is called after each request. Returns the seconds it took."""
    groups = iter([statements[start : start + batch] for start in range(0, len(statements), batch)])
    lock = threading.Lock()

    def work() -> None:
        with Wire(url) as wire:
            while True:
                with lock:
                    group = next(groups, None)
                if group is None:
                    return
                _submit(wire, group, batch > 1, written)
                done()

    threads = [threading.Thread(target=work, name=f"writer {number}", daemon=True) for number in range(writers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def _submit(wire: Wire, group: Sequence[bytes], batched: bool, written: Written) -> None:
    """The same again after a failure, as a client should: it is never logged twice."""
    if batched:
        path, kind = "/api/records/batch", BUNDLE_TYPE
        body = b"".join(len(item).to_bytes(2, "big") + item for item in group)
    else:
        path, kind, body = "/api/records", STATEMENT_TYPE, group[0]
    for attempt in range(ATTEMPTS):
        started = time.perf_counter()
        try:
            status, data = wire.post(path, body, kind)
        except ClientError as error:
            written.errors[error.code] += 1
            time.sleep(PAUSE_SECONDS * attempt)
            continue
        if status in (200, 201):
            _acknowledge(group, batched, data, (time.perf_counter() - started) * 1000, written)
            return
        written.errors[_code_of(status, data)] += 1
        if status not in (429, 500, 502, 503, 504):
            break
        time.sleep(PAUSE_SECONDS * attempt)
    with written.lock:
        written.given_up += len(group)


def _acknowledge(group: Sequence[bytes], batched: bool, data: bytes, milliseconds: float, written: Written) -> None:
    try:
        answer = json.loads(data)
        placed = answer["records"] if batched else [answer]
        indexes = [int(item["record_id"]) for item in placed]
        hashes = [bytes.fromhex(item["leaf_hash"]) for item in placed]
    except (ValueError, KeyError, TypeError) as error:
        written.fault(f"an acknowledgement does not parse: {error}")
        return
    if hashes != [leaf_hash(statement) for statement in group]:
        written.fault(f"entry {indexes[0]} was acknowledged with another leaf hash than the statement's")
        return
    with written.lock:
        written.milliseconds.append(milliseconds)
        for index, value in zip(indexes, hashes, strict=True):
            if written.acknowledged.setdefault(index, value) != value:
                written.faults.append(f"entry {index} was acknowledged for two statements")


def _code_of(status: int, data: bytes) -> str:
    try:
        return str(json.loads(data)["code"])[:64]
    except (ValueError, KeyError, TypeError):
        return f"http_{status}"
