"""`rail log hammer`: a load test that believes nothing."""

import click

from web.cli.options import json_option, option
from web.cli.output import Exit, emit_json, fact, printable, progress_bars, say, verdict_line

SHOWN_FAULTS = 20


@click.command()
@click.argument("url", metavar="URL")
@option("--statements", type=click.IntRange(1, 10_000_000), default=2000, show_default=True, help="How many to log.")
@option("--writers", type=click.IntRange(1, 1024), default=32, show_default=True, help="Connections that submit.")
@option("--readers", type=click.IntRange(0, 64), default=1, show_default=True, help="Connections that verify.")
@option("--batch", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Statements in one request.")
@option("--key", type=click.Path(dir_okay=False, exists=True), help="Operator key file. [default: a new key]")
@option("--log-key", metavar="VKEY", help="The log's key. [default: the one that the service names]")
@option("--invitation", help="Code of an invitation to the log.")
@json_option
def hammer(
    url: str,
    statements: int,
    writers: int,
    readers: int,
    batch: int,
    key: str | None,
    log_key: str | None,
    invitation: str | None,
    as_json: bool,
) -> int:
    """Log many statements at URL at once and verify every answer: inclusion, consistency, one root a size.

    The statements are real and stay in the log for ever: hammer a log that is there for it. Exit code 3 if the log
    broke a promise, 2 if nothing was acknowledged.

    \b
    Example:
      rail log hammer http://127.0.0.1:8080 --statements 10000 --writers 64
    """
    from ledger.keys import SigningKey
    from web.cli.remote import asking
    from web.hammer.run import Load, strike

    signer = SigningKey.load(key) if key is not None else SigningKey.generate("hammer")
    load = Load(statements, writers, readers, batch)
    with progress_bars() as bar, asking(url):
        blow = strike(url, signer, log_key, load, invitation, bar("signed"), bar("logged"))
    exit_code = Exit.PROOF_FAILED if blow.faults else Exit.OK if blow.acknowledged else Exit.UNCHECKED
    word = {Exit.PROOF_FAILED: "proof_failed", Exit.OK: "ok"}.get(exit_code, "unchecked")
    if as_json:
        emit_json({"verdict": word, **blow.to_json()})
        return exit_code
    fact("rate", f"{blow.per_second:.0f} a second, {blow.acknowledged} of {statements} in {blow.seconds:.1f} s")
    fact("latency", f"p50 {blow.p50_ms:.0f} ms, p99 {blow.p99_ms:.0f} ms, longest {blow.max_ms:.0f} ms")
    fact("checked", f"{blow.inclusion_checks} inclusions, {blow.consistency_checks} consistency proofs")
    for code, count in sorted(blow.errors.items()):
        fact("answered", f"{code}, {count} times")
    for fault in blow.faults[:SHOWN_FAULTS]:
        say(f"  {printable(fault)}")
    if blow.faults:
        verdict_line("broken", f"{len(blow.faults)} promises that the log did not keep", exit_code)
    elif blow.acknowledged:
        verdict_line("held", f"everything that was acknowledged is in the tree of size {blow.size}", exit_code)
    else:
        verdict_line("unchecked", "nothing was acknowledged", exit_code)
    return exit_code
