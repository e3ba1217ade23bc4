"""Reading a trust policy from the file that a setting or an option names."""

from pathlib import Path

from ledger.policy import POLICY_BYTES_MAX, Policy, parse_policy
from web.errors import SettingsError


def load_policy(path: Path) -> Policy:
    """SettingsError `policy_unreadable`, ParseError `policy_*`."""
    try:
        with path.open("rb") as file:
            data = file.read(POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError("policy_unreadable", f"cannot read the policy {path}: {error.strerror}") from error
    return parse_policy(data)
