"""An audit from beginning to end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import ParseError
from ledger.keys import SigningKey, VerifyKey
from web.audit.errors import AuditError
from web.audit.log import LogView, check_entries, check_history
from web.audit.models import ModelCache
from web.audit.operators import OperatorBook
from web.audit.publish import publish
from web.audit.replays import Replayer
from web.audit.report import signed_report, write_report
from web.audit.result import AuditResult
from web.audit.source import TileSource
from web.audit.state import AuditState, load_state, save_state
from web.audit.trust import claimed_key
from web.client import RailClient
from web.present import rfc3339


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What to audit and where to keep what is learnt."""

    log_vkey: str | None  # None: the pinned one, or on the first audit the one that the service names
    state: Path
    models: Path  # folder of fetched model files
    reports: Path
    key: Path  # the auditor's key, made on first use
    sample: int
    since: int
    seed: int
    publish: bool
    threads: int | None
    kernels: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how far the audit is: (done, total) of entries, of replays, and bytes of a model."""

    note: Callable[[str], None]
    entries: Callable[[int, int], None]
    replays: Callable[[int, int], None]
    download: Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finished:
    """The result and what was written."""

    result: AuditResult
    report_json: Path
    report_html: Path
    published: list[int]  # record ids of the verdicts that were put into the log


def run_audit(client: RailClient, plan: AuditPlan, watch: Watch) -> Finished:
    """Check the log behind `client`, replay a sample, write the signed report, publish if asked.

    The state moves on once the log's history and entries have been checked and found good, and only then. Raises
    LogBroken where the log contradicts itself, AuditError, ClientError, LedgerError or InferenceError.
    """
    auditor = _auditor_key(plan.key)
    state = load_state(plan.state)
    key = _log_key(client, plan, state, watch)
    source = TileSource(client)
    view = LogView(source, source.checkpoint(), key)
    start = check_history(view, state, plan.state.parent)
    book = OperatorBook(state.operators if state else {})
    findings = check_entries(view, start, book, watch.entries)
    if not findings:  # A bad entry is reported by each audit, not by the first one only.
        save_state(plan.state, AuditState(key.vkey, view.note, book.known))

    models = ModelCache(client, plan.models, plan.threads, plan.kernels)
    try:
        sample = Replayer(client, view, book, models).run(
            plan.sample, plan.since, plan.seed, watch.replays, watch.download
        )
        kernels, threads = models.setting()
    finally:
        models.close()
    result = AuditResult(
        url=client.url,
        time=rfc3339(int(time.time())),
        log_vkey=key.vkey,
        origin=view.checkpoint.origin,
        size=view.checkpoint.size,
        root=view.checkpoint.root,
        note=view.note,
        previous_size=start,
        checked=view.checkpoint.size - start,
        findings=(*findings, *sample.findings),
        remarks=tuple(book.gaps),
        sample=sample,
        wanted=plan.sample,
        since=plan.since,
        seed=plan.seed,
        kernels=kernels,
        threads=threads,
    )
    name = f"audit-{result.size}-{result.time.replace(':', '')}"
    report_json, report_html = write_report(plan.reports, name, signed_report(result.to_json(), auditor))
    published = publish(client, book, auditor, sample.rows) if plan.publish else []
    return Finished(result, report_json, report_html, published)


def _auditor_key(path: Path) -> SigningKey:
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        SigningKey.generate("rail-auditor").save(path)
    return SigningKey.load(path)


def _given_key(text: str) -> VerifyKey:
    try:
        return VerifyKey.parse(text)
    except ParseError as error:
        raise AuditError(
            error.code, f"the log key given is not a vkey: {error}", "`rail log info` prints the vkey of a log"
        ) from None


def _log_key(client: RailClient, plan: AuditPlan, state: AuditState | None, watch: Watch) -> VerifyKey:
    """The key to hold the log to: given, else pinned, else (first audit only, with a warning) its own claim."""
    given = _given_key(plan.log_vkey) if plan.log_vkey is not None else None
    if state is not None:
        if given is not None and given.vkey != state.log_vkey:
            raise AuditError(
                "log_key_conflict",
                f"{plan.state} was made under another log key, {state.log_vkey}",
                "if the log really has a new key, audit it with a new --state file",
            )
        return VerifyKey.parse(state.log_vkey)
    if given is not None:
        return given
    return claimed_key(client, watch.note)
