"""`rail audit`: check somebody else's log, and run a sample of it again."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from web.cli.options import home_option, json_option, option
from web.cli.output import Exit, emit_json, fact, note, printable, progress_bars, say, verdict_line

if TYPE_CHECKING:
    from web.audit import AuditPlan, Finished
    from web.client import RailClient

SEED_MAX = (1 << 63) - 1
EXITS = {
    "ok": Exit.OK,
    "mismatch": Exit.NO_MATCH,
    "unchecked": Exit.UNCHECKED,
    "proof_failed": Exit.PROOF_FAILED,
}


@click.command()
@click.argument("url")
@option("--sample", type=click.IntRange(0, 100_000), default=20, show_default=True, help="Runs to replay; 0 for none.")
@option("--since", type=click.IntRange(0), default=0, show_default=True, help="Draw the sample from this entry on.")
@option("--log-key", metavar="VKEY", help="Key of the log. [default: the one pinned at the first audit]")
@option(
    "--state", metavar="FILE", type=click.Path(dir_okay=False), help="Memory of the last audit. [default: in --home]"
)
@option("--report", metavar="DIR", type=click.Path(file_okay=False), help="Folder for the report. [default: in --home]")
@option("--publish", is_flag=True, help="Put the verdicts into the log, signed with --key.")
@option(
    "--key",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The auditor's own key. [default: in --home]",
)
@option("--seed", type=click.IntRange(0, SEED_MAX), help="Draw the same sample again. [default: a fresh one]")
@option("--threads", type=click.IntRange(1, 1024), help="Threads of the local engine.")
@option("--kernels", metavar="NAME", help="Kernel set of the local engine. [default: the fastest]")
@home_option
@json_option
def audit(
    url: str,
    sample: int,
    since: int,
    log_key: str | None,
    state: str | None,
    report: str | None,
    publish: bool,
    key: str | None,
    seed: int | None,
    threads: int | None,
    kernels: str | None,
    home: str | None,
    as_json: bool,
) -> int:
    """Audit the log at URL: its key, its history, every new entry, and a random sample of its runs.

    The log is checked from where the last audit ended: the checkpoint's signature, that the tree only grew, that
    each new entry is in it and signed by a registered operator. Then models are fetched by their root, and the sampled
    runs are done again on this machine and compared bit for bit. The report is signed with the auditor's key.

    \b
    Examples:
      rail audit https://rail.example
      rail audit http://127.0.0.1:8080 --sample 50 --log-key "$KEY" --json
      rail audit https://rail.example --publish --key auditor.key
    """
    from web.audit import AuditPlan
    from web.client import RailClient, normal_url
    from web.settings import DEFAULT_HOME

    folder = Path(home or DEFAULT_HOME).expanduser() / "auditor"
    plan = AuditPlan(
        log_vkey=log_key,
        state=Path(state) if state else folder / f"{file_name(normal_url(url))}.state.json",
        models=folder / "models",
        reports=Path(report) if report else folder / "reports",
        key=Path(key) if key else folder / "auditor.key",
        sample=sample,
        since=since,
        seed=secrets.randbelow(SEED_MAX + 1) if seed is None else seed,
        publish=publish,
        threads=threads,
        kernels=kernels,
    )
    with RailClient(url) as client:
        finished = _run(client, plan)
    exit_code = EXITS[finished.result.verdict]
    if as_json:
        emit_json(_to_json(finished))
    else:
        _print(finished, exit_code)
    return exit_code


def _run(client: "RailClient", plan: "AuditPlan") -> "Finished":
    """The audit, with a progress bar for each long part."""
    from web.audit import Watch, run_audit

    with progress_bars() as bar:
        watch = Watch(
            note=note,
            entries=bar("entries checked"),
            replays=bar("runs replayed"),
            download=bar("bytes of the model"),
        )
        return run_audit(client, plan, watch)


def _to_json(finished: "Finished") -> dict[str, Any]:
    """The report's body, with what only this machine cares about beside it."""
    result = finished.result
    return {
        **result.to_json(),
        "upper_bound_95": result.upper_bound_95,
        "report_json": str(finished.report_json),
        "report_html": str(finished.report_html),
        "published": finished.published,
        "seconds": [round(row.seconds, 3) for row in result.sample.rows],
    }


def _print(finished: "Finished", exit_code: Exit) -> None:
    """The log's facts, the table of replays, the remarks, the verdict."""
    result = finished.result
    fact("log", f"{result.origin}, {result.size} entries, root {result.root.hex()}")
    fact("key", result.log_vkey)
    before = f"consistent with the {result.previous_size} of the last audit" if result.previous_size else "first audit"
    fact("entries", f"{result.checked} checked now, {before}")
    if result.sample.rows:
        _print_table(finished)
    if result.sample.not_public:
        fact("skipped", f"{result.sample.not_public} drawn runs whose text is not public")
    for remark in result.remarks:
        fact("remark", remark)
    for finding in result.findings:
        fact("finding", f"[{finding.code}] {finding.message}")
    fact("sampling", f"seed {result.seed}, {result.sample.drawn} entries drawn from entry {result.since} on")
    if finished.published:
        fact("published", f"records {finished.published[0]} to {finished.published[-1]}")
    fact("report", finished.report_html)
    fact("signed", finished.report_json)
    verdict_line(result.verdict.replace("_", " "), result.sentence(), exit_code)


def _print_table(finished: "Finished") -> None:
    say(f"\n  {'record':>8}  {'model':<18}{'tokens':>8}{'seconds':>9}  verdict")
    for row in finished.result.sample.rows:
        words = row.verdict
        if row.first_difference is not None:
            words += f", first difference at output token {row.first_difference}"
        elif row.reason is not None:
            words += f" ({printable(row.reason)})"
        say(f"  {row.index:>8}  {row.model_root.hex()[:16]}… {row.tokens:>8}{row.seconds:>9.2f}  {words}")
    say()


def file_name(url: str) -> str:
    """A file name for a service: host, port and path, with nothing in it that a file system minds."""
    parts = urlsplit(url)
    return "".join(char if char.isalnum() or char in ".-" else "_" for char in parts.netloc + parts.path)
