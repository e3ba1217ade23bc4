"""`rail monitor`: watch somebody's log, and be told."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.options import home_option, json_option, option
from web.cli.output import CommandError, Exit, emit_json, fact, note, printable, progress, report_error, verdict_line

if TYPE_CHECKING:
    from web.monitor.event import Event

DEFAULT_MAX_AGE = 3600
ID_BYTES = 32


@click.command()
@click.argument("url")
@option("--log-key", metavar="VKEY", help="Key of the log. [default: the one pinned when it was first seen]")
@option("--policy", type=click.Path(dir_okay=False), help="tlog-policy file: tell when its quorum is missing.")
@option(
    "--max-age",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Tell when nothing is fresh for so long. [default: 3600 with --policy, else never]",
)
@option("--watch-operator", metavar="ID", multiple=True, help="Tell of statements by this operator. May be repeated.")
@option("--watch-model", metavar="ROOT", multiple=True, help="Tell of statements about this model. May be repeated.")
@option("--ignore", metavar="KIND", multiple=True, help="Do not tell of counter_gap, erasure, ... May be repeated.")
@option("--webhook", metavar="URL", help="POST events there as JSON.")
@option("--atom", metavar="FILE", type=click.Path(dir_okay=False), help="Keep the newest 200 events in an Atom feed.")
@option("--state", metavar="FILE", type=click.Path(dir_okay=False), help="The monitor's memory. [default: in --home]")
@option("--interval", type=click.IntRange(1), default=60, show_default=True, metavar="SECONDS", help="Between rounds.")
@option("--once", is_flag=True, help="One round, then exit.")
@home_option
@json_option
def monitor(
    url: str,
    log_key: str | None,
    policy: str | None,
    max_age: int | None,
    watch_operator: tuple[str, ...],
    watch_model: tuple[str, ...],
    ignore: tuple[str, ...],
    webhook: str | None,
    atom: str | None,
    state: str | None,
    interval: int,
    once: bool,
    home: str | None,
    as_json: bool,
) -> int:
    """Follow the log at URL and tell of: two histories, bad entries, a stale checkpoint, a lost quorum, erasures, gaps
    in an operator's counter, and statements by watched operators or about watched models.

    It checks each new entry from its own cursor on, which moves only once all events up to there were delivered. What
    fails is sent again, with the same id. With --json each event is one line; with --once too, all are one object.

    \b
    Exit codes: 0 nothing to tell, 1 events (--once), 2 could not check or deliver (--once),
    3 the log contradicts itself, or holds an entry that nobody registered signed; without --once this ends it.

    \b
    Examples:
      rail monitor https://rail.example --webhook https://alerts.example/hook
      rail monitor https://rail.example --policy trusted-witnesses --max-age 900 --atom /srv/www/rail.atom
      rail monitor https://rail.example --once --watch-operator "$OPERATOR" --json
    """
    from ledger.keys import VerifyKey
    from web.audit.errors import LogBroken
    from web.cli.audit import file_name
    from web.cli.group import as_command_error
    from web.cli.trust import home_folder, known_logs
    from web.client import RailClient, normal_url
    from web.monitor import event as kinds
    from web.monitor.deliver import Delivery
    from web.monitor.run import Monitor, run_round
    from web.monitor.watch import Watch
    from web.policy_file import load_policy

    known_kinds = {kinds.STALE, kinds.QUORUM_LOST, kinds.ERASURE, kinds.OPERATOR, kinds.MODEL, kinds.COUNTER_GAP}
    for kind in ignore:
        if kind not in known_kinds:
            raise CommandError("unknown_kind", f"there is no kind {kind!r} to ignore", ", ".join(sorted(known_kinds)))
    rules = load_policy(Path(policy)) if policy is not None else None
    watch = Watch(
        frozenset(_identifier(text, "operator") for text in watch_operator),
        frozenset(_identifier(text, "model") for text in watch_model),
        rules,
        max_age or (DEFAULT_MAX_AGE if rules is not None else None),
        frozenset(ignore),
    )
    default = home_folder(home) / "monitor" / f"{file_name(normal_url(url))}.json"
    told: list[Event] = []

    def say(event: "Event") -> None:
        told.append(event)
        if not (as_json and once):
            _say(event, as_json)

    with progress("entries") as advance, RailClient(url) as client:
        plan = Monitor(
            state=Path(state) if state else default,
            given_key=VerifyKey.parse(log_key.strip()) if log_key is not None else None,
            known=known_logs(home),
            watch=watch,
            delivery=Delivery(webhook, Path(atom) if atom else None, say),
            tell=note,
            advance=advance,
        )
        while True:
            told.clear()
            try:
                done = run_round(client, plan)
            except LogBroken:
                raise
            except Exception as error:
                failure = as_command_error(error)
                if once or failure.code == "internal_error":
                    raise
                report_error(failure, False)
                done = None
            loud = any(event.kind in kinds.LOUD for event in told)
            exit_code = Exit.PROOF_FAILED if loud else Exit.NO_MATCH if told else Exit.OK
            if done is not None and (once or loud):
                _summary(done.cursor, done.size, told, exit_code, as_json and once)
                return exit_code
            time.sleep(interval)


def _say(event: "Event", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(event.to_json(), ensure_ascii=False))
    else:
        where = "" if event.index is None else f"entry {event.index}: "
        click.echo(f"{event.kind}: {where}{printable(event.message)}")


def _summary(cursor: int, size: int, told: "list[Event]", exit_code: Exit, as_json: bool) -> None:
    if as_json:
        verdict = {Exit.OK: "quiet", Exit.NO_MATCH: "told"}.get(exit_code, "proof_failed")
        emit_json({"verdict": verdict, "cursor": cursor, "size": size, "events": [event.to_json() for event in told]})
        return
    fact("read", f"{cursor} of {size} entries")
    count = "1 event" if len(told) == 1 else f"{len(told)} events"
    words = {Exit.OK: ("quiet", "nothing to tell"), Exit.NO_MATCH: ("told", count)}
    word, sentence = words.get(exit_code, ("contradiction", f"{count}, with proof against the log"))
    verdict_line(word, sentence, exit_code)


def _identifier(text: str, what: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != ID_BYTES or value.hex() != text:
        raise CommandError(
            f"bad_{what}",
            f"{text[:80]!r} does not name a {what}: 64 lower-case hexadecimal digits do",
            "see `rail audit`",
        )
    return value
