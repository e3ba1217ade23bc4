"""`rail key`: a key file's name and public half, and its encryption at rest."""

from pathlib import Path

import click

from web.cli.options import json_option
from web.cli.output import Exit, emit_json, fact, verdict_line


@click.group()
def key() -> None:
    """Look at a key file, encrypt it, or lay it open.

    The passphrase is in the file that RAIL_KEY_PASSPHRASE_FILE names (mode 0600). Where that is set, new keys are
    encrypted from the start.

    \b
    Examples:
      rail key show keys/log.key
      rail key protect keys/log.key
      rail key unprotect keys/log.key
    """


_FILE = click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))


@key.command()
@_FILE
@json_option
def show(file: str, as_json: bool) -> int:
    """Show a key's name, its public half and its operator id; never the secret."""
    from ledger.key_protection import is_protected
    from ledger.keys import SigningKey, operator_id

    found = SigningKey.load(file)
    protected = is_protected(Path(file).read_bytes())
    facts = {"vkey": found.vkey, "operator": operator_id(found.public).hex(), "encrypted": protected}
    if as_json:
        emit_json({"verdict": "ok", **facts})
        return Exit.OK
    for name, value in facts.items():
        fact(name, value)
    return Exit.OK


@key.command()
@_FILE
@json_option
def protect(file: str, as_json: bool) -> int:
    """Encrypt a key file with the passphrase, in one step."""
    return _rewrite(file, True, as_json)


@key.command()
@_FILE
@json_option
def unprotect(file: str, as_json: bool) -> int:
    """Store a key file without encryption again."""
    return _rewrite(file, False, as_json)


def _rewrite(file: str, protected: bool, as_json: bool) -> int:
    from ledger.key_files import rewrite_secret

    rewrite_secret(Path(file), protected)
    word = "encrypted" if protected else "laid open"
    if as_json:
        emit_json({"verdict": "ok", "encrypted": protected})
    else:
        verdict_line(word, file, Exit.OK)
    return Exit.OK
