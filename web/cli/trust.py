"""Which log key a check rests on. Never the one that a receipt brings along."""

from pathlib import Path

from ledger.keys import SigningKey, VerifyKey
from web.cli.output import CommandError


def trusted_log_key(given: str | None, home: str | None) -> tuple[VerifyKey, str]:
    """The key to trust and why: the one given, else that of the log in the home folder.

    Raises CommandError (`no_trusted_log_key`), ParseError for a key that is none.
    """
    if given is not None:
        return VerifyKey.parse(given.strip()), "given"
    from web.settings import DEFAULT_HOME

    key_file = Path(home or DEFAULT_HOME).expanduser() / "keys" / "log.key"
    if key_file.is_file():
        return SigningKey.load(key_file).verify_key, f"of the log in {key_file.parent.parent}"
    raise CommandError(
        "no_trusted_log_key",
        "no trusted log key: a receipt is only worth the key it is checked against",
        "give the log's key with --log-key or RAIL_LOG_KEY; `rail log info` or /.well-known/rail.json show it",
    )
