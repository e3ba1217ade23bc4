"""`rail submit`: signed statements to a log that somebody else runs."""

from pathlib import Path

import click

from web.cli.options import json_option, option
from web.cli.output import CommandError, Exit, emit_json, printable, say, verdict_line

STATEMENT_BYTES_MAX = 65_535
FILES_MAX = 10_000


@click.command()
@click.argument("url", metavar="URL")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False, exists=True))
@option("--invitation", help="Code of an invitation to the log, for a registration.")
@json_option
def submit(url: str, files: tuple[str, ...], invitation: str | None, as_json: bool) -> int:
    """Submit signed statements (COSE_Sign1, one a FILE) to the log at URL; several of them all or none.

    Safe to repeat: a statement that the log holds already is named again, not logged twice.

    \b
    Examples:
      rail submit https://log.example registration.cose --invitation CODE
      rail submit https://log.example statements/*.cose
    """
    from ledger.errors import LedgerError
    from ledger.statement import open_statement
    from web.cli.remote import asking
    from web.client import RailClient
    from web.submitter import send, send_many

    if len(files) > FILES_MAX:
        raise CommandError("too_many_files", f"{len(files)} files; at most {FILES_MAX} in one step")
    statements = []
    for name in files:
        with Path(name).open("rb") as file:
            statements.append(file.read(STATEMENT_BYTES_MAX + 1))
        try:
            open_statement(statements[-1])
        except LedgerError as error:
            raise CommandError(error.code, f"{name} is no signed statement: {error}") from error
    with RailClient(url) as client, asking(url):
        if len(statements) == 1:
            record = send(client, statements[0], invitation)
            placed = [{"record_id": record["record_id"], "leaf_hash": record["leaf_hash"]}]
        else:
            placed = send_many(client, statements, invitation)["records"]
    if as_json:
        emit_json({"verdict": "logged", "records": placed})
        return Exit.OK
    for name, record in zip(files, placed, strict=True):
        say(f"  {int(record['record_id']):>10}  {printable(str(record['leaf_hash']))}  {printable(name)}")
    count = "1 statement is" if len(placed) == 1 else f"{len(placed)} statements are"
    verdict_line("logged", f"{count} in the log", Exit.OK)
    return Exit.OK
