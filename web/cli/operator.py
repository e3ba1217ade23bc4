"""`rail operator`: who may submit to the log of the home folder, and an operator's own key in somebody else's log."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from web.cli.options import home_option, json_option, option, settings_from
from web.cli.output import CommandError, Exit, emit_json, fact, printable, say, verdict_line

if TYPE_CHECKING:
    from web.submitter import Submitter
    from web.submitters import Submitters, SubmittersFile

DAY_SECONDS = 86_400
ID_DIGITS = 64


@click.group()
def operator() -> None:
    """Decide who may submit to your log; register, rotate or revoke your key in another one.

    \b
    Your own log:
      rail operator policy invited
      rail operator invite --uses 1 --days 7
      rail operator allow ID        rail operator deny ID
      rail operator limit ID --per-minute 600 --statements 1000000 --keep-days 365
      rail operator list            rail operator show ID
      rail operator retain          erases content that is older than its operator's days

    \b
    Another log:
      rail operator register https://log.example --key my.key --name "My name" --contact mail@example.org
      rail operator rotate https://log.example --key my.key --next new.key
      rail operator revoke https://log.example --key my.key
    """


@operator.command()
@click.argument("policy", required=False, type=click.Choice(["open", "listed", "invited"]))
@home_option
@json_option
def policy(policy: str | None, home: str | None, as_json: bool) -> int:
    """Show or set who may register and submit: everybody, those on the list, or those with an invitation too."""
    if policy is not None:
        _change(home, lambda value: replace(value, policy=policy))
    shown = _file(home).read().policy
    if as_json:
        emit_json({"verdict": "ok", "policy": shown})
    else:
        verdict_line("policy", shown, Exit.OK)
    return Exit.OK


def _decide(identifier: str, home: str | None, as_json: bool, standing: str | None) -> int:
    name = _operator_id(identifier)
    _change(home, lambda value: value.with_operator(name, standing=standing))
    if as_json:
        emit_json({"verdict": "ok", "operator": name, "standing": standing})
    else:
        verdict_line(standing or "neither", f"operator {name}", Exit.OK)
    return Exit.OK


@operator.command()
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def allow(identifier: str, home: str | None, as_json: bool) -> int:
    """Put an operator on the list."""
    return _decide(identifier, home, as_json, "listed")


@operator.command()
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def deny(identifier: str, home: str | None, as_json: bool) -> int:
    """Take no more statements of an operator. What it logged stays."""
    return _decide(identifier, home, as_json, "denied")


@operator.command()
@click.argument("identifier", metavar="ID|default")
@option("--per-minute", type=click.IntRange(0), help="Statements a minute.")
@option("--statements", type=click.IntRange(0), help="Statements in all.")
@option("--keep-days", type=click.IntRange(1), help="Days after which `rail operator retain` erases its content.")
@home_option
@json_option
def limit(
    identifier: str,
    per_minute: int | None,
    statements: int | None,
    keep_days: int | None,
    home: str | None,
    as_json: bool,
) -> int:
    """Set the limits of an operator, or of all who have none of their own. What is not named has no limit."""
    from web.submitters import Limits

    limits = Limits(per_minute, statements, keep_days)
    if identifier == "default":
        _change(home, lambda value: replace(value, default=limits))
    else:
        name = _operator_id(identifier)
        _change(home, lambda value: value.with_operator(name, limits=limits))
    if as_json:
        emit_json({"verdict": "ok", "operator": identifier, "limits": asdict(limits)})
    else:
        verdict_line("limited", f"{identifier}: {_limits_text(asdict(limits))}", Exit.OK)
    return Exit.OK


@operator.command()
@option("--uses", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Registrations with this code.")
@option("--days", type=click.IntRange(1, 3650), default=7, show_default=True, help="Days until it expires.")
@home_option
@json_option
def invite(uses: int, days: int, home: str | None, as_json: bool) -> int:
    """Make the code of an invitation. It is shown once; the file keeps only its digest."""
    import time
    from secrets import token_urlsafe

    from web.gate import digest_of
    from web.present import rfc3339
    from web.submitters import Invitation

    code, now = token_urlsafe(24), int(time.time())
    invitation = Invitation(uses, now + days * DAY_SECONDS)

    def add(value: "Submitters") -> "Submitters":
        kept = {name: item for name, item in value.invitations.items() if item.expires > now}
        return replace(value, invitations={**kept, digest_of(code): invitation})

    _change(home, add)
    if as_json:
        emit_json({"verdict": "ok", "code": code, "uses": uses, "expires": invitation.expires})
    else:
        verdict_line("invitation", code, Exit.OK)
        fact("uses", f"{uses}, until {rfc3339(invitation.expires)}")
        fact("with", "rail operator register URL --key FILE --name NAME --contact ADDRESS --invitation CODE")
    return Exit.OK


@operator.command("list")
@home_option
@json_option
def list_operators(home: str | None, as_json: bool) -> int:
    """List the operators in the log, and what was decided about them."""
    from ledger.keys import operator_id
    from web.cli.local import open_local

    settings = settings_from(home=home)
    decided = _file(home).read()
    rows: list[dict[str, Any]] = []
    with open_local(settings) as local:
        for entry, registration in local.log.operators():
            name = operator_id(registration.public).hex()
            known = decided.operators.get(name)
            rows.append(
                {
                    "operator": name,
                    "name": registration.name,
                    "record_id": entry.index,
                    "ended_by": local.log.operator_end(entry.index),
                    "standing": known.standing if known is not None else None,
                    "limits": asdict(decided.limits_of(name)),
                }
            )
    if as_json:
        emit_json({"verdict": "ok", "policy": decided.policy, "operators": rows})
        return Exit.OK
    for row in rows:
        ended = f", ended by record {row['ended_by']}" if row["ended_by"] is not None else ""
        say(f"  {row['operator']}  {printable(row['name'])}  ({row['standing'] or 'nothing decided'}{ended})")
    verdict_line("policy", f"{decided.policy}, {len(rows)} operators", Exit.OK)
    return Exit.OK


@operator.command()
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def show(identifier: str, home: str | None, as_json: bool) -> int:
    """Show an operator's key in the log: statements, and gaps in its counters."""
    from web.cli.local import open_local
    from web.present import standing_json

    name = _operator_id(identifier)
    with open_local(settings_from(home=home)) as local:
        standing = local.log.operator_standing(bytes.fromhex(name))
    if standing is None:
        raise CommandError("operator_not_found", f"no operator {name} is registered in this log")
    body = standing_json(standing)
    if as_json:
        emit_json({"verdict": "ok", **body})
        return Exit.OK
    body.pop("gaps")
    gaps = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in standing.gaps)
    body |= {"valid_to": body["valid_to"] or "no end set", "missing": f"{standing.missing} ({gaps})" if gaps else 0}
    body["ended_by"] = "nothing" if standing.ended is None else f"record {standing.ended}"
    for key, value in body.items():
        fact(key.replace("_", " "), value)
    return Exit.OK


@operator.command()
@option("--clock-is-right", is_flag=True, help="Erase although the clock is 30 days beyond the last run and entry.")
@home_option
@json_option
def retain(clock_is_right: bool, home: str | None, as_json: bool) -> int:
    """Erase content that is older than its operator's --keep-days. Run it daily; the service may be running."""
    import time

    from ledger.keys import SigningKey
    from web import upkeep
    from web.backups import erase_in_backups
    from web.cli.local import open_local
    from web.log_key import load_log_key
    from web.retention import erase_overdue, is_far_ahead

    settings = settings_from(home=home)
    with open_local(settings, load_log_key(settings)) as local:
        now, last = int(time.time()), upkeep.last(settings.home, upkeep.RETAIN)
        if not clock_is_right and is_far_ahead(local.log, last.time if last is not None else None, now):
            raise CommandError(
                "clock_ahead",
                "the clock is over 30 days beyond the last run and the newest entry; nothing was erased",
                "set the clock, or say --clock-is-right",
            )
        signer = SigningKey.load(settings.operator_key)
        erased = erase_overdue(local.log, local.index, _file(home).read(), signer, now)
        for index in erased:
            erase_in_backups(settings.home, index, local.log.vkey)
        upkeep.record(settings.home, upkeep.RETAIN, local.log.size())
    if as_json:
        emit_json({"verdict": "ok", "erased": erased})
    else:
        verdict_line("erased", f"the content of {len(erased)} records", Exit.OK)
    return Exit.OK


# Another log


def _key_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return option("--key", required=True, type=click.Path(dir_okay=False), help="Your key file; made if missing.")(
        command
    )


@operator.command()
@click.argument("url", metavar="URL")
@_key_option
@option("--name", required=True, help="Who you are, for readers of the log.")
@option("--contact", required=True, help="How to reach you.")
@option("--invitation", help="Code of an invitation to the log.")
@json_option
def register(url: str, key: str, name: str, contact: str, invitation: str | None, as_json: bool) -> int:
    """Introduce your key to the log at URL."""
    from ledger.keys import SigningKey

    path = Path(key)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        SigningKey.generate("operator").save(path)
    return _tell(url, key, "registered", as_json, lambda me: me.register(name, contact, invitation))


@operator.command()
@click.argument("url", metavar="URL")
@_key_option
@option("--next", "following", required=True, type=click.Path(dir_okay=False), help="The key that follows.")
@json_option
def rotate(url: str, key: str, following: str, as_json: bool) -> int:
    """End your key in favour of the next one, in one step. From then on only the next one's statements count."""
    from ledger.keys import SigningKey
    from web.submitter import Submitter

    path = Path(following)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        SigningKey.generate("operator").save(path)
    heir = SigningKey.load(path)
    return _tell(url, key, "rotated", as_json, lambda me: me.rotate(Submitter(me.client, heir))["records"][-1])


@operator.command()
@click.argument("url", metavar="URL")
@_key_option
@json_option
def revoke(url: str, key: str, as_json: bool) -> int:
    """End your key for good. What it signed before still counts; nothing later does."""
    return _tell(url, key, "revoked", as_json, lambda me: me.revoke())


def _tell(url: str, key: str, word: str, as_json: bool, act: "Callable[[Submitter], dict[str, Any]]") -> int:
    from ledger.keys import SigningKey
    from web.cli.remote import asking
    from web.client import RailClient
    from web.submitter import Submitter

    signer = SigningKey.load(key)
    with RailClient(url) as client, asking(url):
        me = Submitter(client, signer)
        record = int(act(me)["record_id"])
    if as_json:
        emit_json({"verdict": word, "operator": me.operator, "record_id": record})
    else:
        verdict_line(word, f"operator {me.operator}, record {record}", Exit.OK)
    return Exit.OK


def _file(home: str | None) -> "SubmittersFile":
    from web.submitters import SubmittersFile

    return SubmittersFile(settings_from(home=home).submitters)


def _change(home: str | None, make: "Callable[[Submitters], Submitters]") -> None:
    file = _file(home)
    file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.change() as change:
        change.value = make(change.value)


def _operator_id(text: str) -> str:
    if len(text) != ID_DIGITS or set(text) - set("0123456789abcdef"):
        raise CommandError("invalid_operator_id", f"{text!r} is no operator id: 64 hexadecimal digits")
    return text


def _limits_text(limits: dict[str, int | None]) -> str:
    return ", ".join(f"{name} {value}" for name, value in limits.items() if value is not None) or "no limits"
