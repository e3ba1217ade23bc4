"""Which log key a check rests on. Never the one that a receipt brings along."""

from pathlib import Path
from typing import TYPE_CHECKING

from ledger.keys import SigningKey, VerifyKey
from ledger.policy import Policy
from web.cli.output import CommandError

if TYPE_CHECKING:
    from web.known_logs import KnownLogs


def trusted_log_key(
    given: str | None, home: str | None, policy: Policy | None = None, vkey: str | None = None
) -> tuple[VerifyKey, str]:
    """The key to trust and why: the one given, else the policy's for `vkey` (None: its only one), else that in `home`.

    Raises CommandError (`no_trusted_log_key`), ParseError for a key that is none.
    """
    if given is not None:
        return VerifyKey.parse(given.strip()), "given"
    for party in policy.logs if policy is not None else ():
        if party.key.vkey == vkey or (vkey is None and policy is not None and len(policy.logs) == 1):
            return party.key, "named by the policy"
    key_file = home_folder(home) / "keys" / "log.key"
    if key_file.is_file():
        return SigningKey.load(key_file).verify_key, f"of the log in {key_file.parent.parent}"
    raise CommandError(
        "no_trusted_log_key",
        "no trusted log key: a receipt is only worth the key it is checked against",
        "give the log's key with --log-key or RAIL_LOG_KEY; `rail log info` or /.well-known/rail.json show it",
    )


def trusted_key_for(vkey: str, given: str | None, policy: Policy | None, home: str | None) -> VerifyKey | None:
    """As `trusted_log_key`, for a command that may also know a key from earlier: None if nobody names one.

    The log in the home folder counts only if its key is `vkey`.
    """
    try:
        key = trusted_log_key(given, home, policy, vkey)[0]
    except CommandError:
        return None
    return key if given is not None or key.vkey == vkey else None


def home_folder(home: str | None) -> Path:
    """The home folder that the options name, without making it."""
    from web.settings import DEFAULT_HOME

    return Path(home or DEFAULT_HOME).expanduser().absolute()


def known_logs(home: str | None) -> "KnownLogs":
    """What this user's client remembers of logs."""
    from web.known_logs import KnownLogs

    return KnownLogs(home_folder(home) / "known-logs")
