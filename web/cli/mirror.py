"""`rail mirror`: a checked copy of somebody's log as static files."""

from pathlib import Path

import click

from web.cli.options import home_option, json_option, option
from web.cli.output import CommandError, Exit, emit_json, fact, note, progress, verdict_line


@click.command()
@click.argument("url")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@option("--log-key", metavar="VKEY", help="Key of the log. [default: the one pinned when it was first seen]")
@option("--policy", type=click.Path(dir_okay=False), help="tlog-policy file: copy only what its quorum cosigned.")
@option("--recheck", is_flag=True, help="Read and check every file again, and repair what is damaged.")
@home_option
@json_option
def mirror(
    url: str, folder: str, log_key: str | None, policy: str | None, recheck: bool, home: str | None, as_json: bool
) -> int:
    """Copy the log at URL to DIR, checked, for any web server to serve (C2SP tlog-tiles).

    Run it again, also after an interruption, and it fetches what is missing. The copy only moves to a checkpoint that
    is shown to continue the one before; a log with two histories is exit code 3, with both notes saved as evidence.

    \b
    Examples:
      rail mirror https://rail.example /srv/www/rail.example
      rail mirror https://rail.example mirror --policy trusted-witnesses --json
      python3 -m http.server --directory /srv/www/rail.example
    """
    from ledger.keys import VerifyKey
    from ledger.policy import open_counted
    from web.audit.source import TileSource
    from web.cli.trust import known_logs
    from web.client import RailClient
    from web.mirror import mirror as copy
    from web.policy_file import load_policy

    rules = load_policy(Path(policy)) if policy is not None else None
    given = VerifyKey.parse(log_key.strip()) if log_key is not None else None
    known = known_logs(home)
    with RailClient(url) as client, progress("files") as advance:
        view = known.follow(client, given, note).view
        if rules is not None:
            cosigners = [item.key for item in open_counted(view.note, rules, view.key).cosignatures]
            if not rules.is_met(cosigners):
                names = ", ".join(key.name for key in cosigners) or "nobody that the policy knows"
                raise CommandError(
                    "no_quorum", f"{rules.describe()}; the checkpoint is cosigned by {names}", "try again later"
                )
        done = copy(view, TileSource(client), known, Path(folder), recheck, advance)
    if as_json:
        counts = {"size": done.size, "files_written": done.fetched, "files_kept": done.kept}
        emit_json(
            {"verdict": "mirrored", "origin": view.key.name, "folder": folder, **counts, "repaired": done.repaired}
        )
        return Exit.OK
    fact("log", view.key.name)
    if done.repaired:
        fact("repaired", f"{done.repaired} files that were damaged")
    verdict_line("mirrored", f"{done.size} entries to {folder}, {done.fetched} files written", Exit.OK)
    return Exit.OK
