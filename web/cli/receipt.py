"""`rail receipt`: receipts that stay good: later checkpoints, more cosignatures."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.inputs import read_file
from web.cli.options import home_option, json_option, option
from web.cli.output import Exit, emit_json, fact, note, verdict_line

if TYPE_CHECKING:
    from ledger.policy import Policy


@click.group()
def receipt() -> None:
    """Look after receipts.

    \b
    Examples:
      rail receipt upgrade receipt.json --url https://rail.example
      rail receipt upgrade receipt.json --url https://rail.example --policy trusted-witnesses
    """


@receipt.command()
@click.argument("file", metavar="RECEIPT", type=click.Path(dir_okay=False))
@option("--url", metavar="URL", required=True, help="The log, or any mirror of its tiles.")
@option("--log-key", metavar="VKEY", help="Key of the log to trust. [default: that of the log in --home, or pinned]")
@option("--policy", type=click.Path(dir_okay=False), help="tlog-policy file: witnesses to ask, and how many must sign.")
@option("--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write here. [default: replace RECEIPT]")
@home_option
@json_option
def upgrade(
    file: str, url: str, log_key: str | None, policy: str | None, output: str | None, home: str | None, as_json: bool
) -> int:
    """Bring RECEIPT to the newest checkpoint of its log and gather cosignatures.

    The old and the new checkpoint, those that the witnesses have, and the one seen last are shown to be of one history
    first; a log that signed two is exit code 3, with both notes saved as evidence. With --policy, exit code 1 says that
    the quorum is not reached yet: the receipt is as good as it can be now.
    """
    from ledger.receipt import RECEIPT_BYTES_MAX, Receipt
    from web.audit.source import TileSource
    from web.cli.trust import known_logs, trusted_key_for
    from web.client import RailClient
    from web.files import replace_file
    from web.policy_file import load_policy
    from web.receipt_upgrade import upgrade as bring_up

    old = Receipt.from_json(read_file(Path(file), RECEIPT_BYTES_MAX))
    rules = load_policy(Path(policy)) if policy is not None else None
    known = known_logs(home)
    with RailClient(url) as client:
        followed = known.follow(client, trusted_key_for(old.log_vkey, log_key, rules, home), note)
        found = bring_up(old, followed.view, TileSource(client), known, rules, _ask(rules, followed.view.key.name))
    changed = found.receipt != old
    if changed or output is not None:
        replace_file(Path(output or file), found.receipt.to_json().encode())
    exit_code = Exit.OK if found.met else Exit.NO_MATCH
    witnesses = [item.key.name for item in found.cosignatures]
    if as_json:
        emit_json(
            {
                "verdict": ("upgraded" if changed else "unchanged") if found.met else "no_quorum",
                "size": found.checkpoint.size,
                "witnesses": witnesses,
                "quorum": rules.describe() if rules is not None else None,
                "quorum_met": found.met,
                "receipt": output or file,
            }
        )
        return exit_code
    fact("entry", f"{found.receipt.proof.index} of {found.checkpoint.size} in {found.checkpoint.origin}")
    fact("witnesses", ", ".join(witnesses) or "none")
    if rules is not None:
        fact("quorum", f"{rules.describe()}: {'reached' if found.met else 'not reached'}")
    word = "upgraded" if changed else "unchanged"
    verdict_line(word if found.met else "no quorum yet", f"{output or file}", exit_code)
    return exit_code


def _ask(policy: "Policy | None", origin: str) -> list[bytes]:
    """The latest checkpoint of the log at each witness of the policy that has a URL and answers."""
    from ledger.errors import StoreError
    from web.witness_http import WitnessClient

    found: list[bytes] = []
    for party in policy.witnesses.values() if policy is not None else ():
        if party.url is None:
            continue
        client = WitnessClient(party.url)
        try:
            latest = client.latest(origin)
            found += [latest] if latest is not None else []
        except StoreError as error:
            note(str(error))
        finally:
            client.close()
    return found
