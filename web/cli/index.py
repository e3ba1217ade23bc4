"""`rail index`: the content index of the home folder's log, derived from the log and the contents beside it."""

import click

from web.cli.options import home_option, json_option, settings_from
from web.cli.output import Exit, emit_json, fact, status, verdict_line


@click.group()
def index() -> None:
    """Look after the content index, which texts are looked up in.

    It holds nothing that the log and the contents do not: it can be dropped and made again at any time.

    \b
    Examples:
      rail index info
      rail index rebuild
    """


@index.command()
@home_option
@json_option
def info(home: str | None, as_json: bool) -> int:
    """Show how far the index has followed the log. Exit code 2 if it has not seen all of it."""
    from ledger.index import RULES
    from web.cli.local import open_local

    with open_local(settings_from(home=home)) as local:
        indexed_through, complete = local.index.state()
        size = local.log.size()
    whole = complete and indexed_through >= size - 1
    word = "complete" if whole else "behind"
    exit_code = Exit.OK if whole else Exit.UNCHECKED
    facts = {"rules": RULES, "indexed_through": indexed_through, "log_size": size}
    if as_json:
        emit_json({"verdict": word, **facts})
        return exit_code
    for name, value in facts.items():
        fact(name.replace("_", " "), value)
    verdict_line(word, "`rail index rebuild`, `rail verify` and a running service catch up", exit_code)
    return exit_code


@index.command()
@home_option
@json_option
def rebuild(home: str | None, as_json: bool) -> int:
    """Drop the index and make it again from the log and the contents.

    Safe beside a running service: until it is done, no text is called `none`. A rebuild that is cut off goes on with
    the next one, or with the next text that is looked up.
    """
    from web.cli.local import open_local

    with open_local(settings_from(home=home)) as local, status() as tell:
        tell("indexing the log again")
        indexed = local.index.rebuild(local.log)
        indexed_through, _ = local.index.state()
    if as_json:
        emit_json({"verdict": "rebuilt", "indexed": indexed, "indexed_through": indexed_through})
        return Exit.OK
    verdict_line("rebuilt", f"{indexed} outputs of records up to {indexed_through} are indexed", Exit.OK)
    return Exit.OK
