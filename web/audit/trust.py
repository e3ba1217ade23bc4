"""The key of a log that nobody gave: the one that its service names, taken on trust once and pinned by the caller."""

from collections.abc import Callable

from ledger.keys import VerifyKey
from web.audit.errors import AuditError
from web.client import RailClient

Tell = Callable[[str], None]


def claimed_key(client: RailClient, tell: Tell) -> VerifyKey:
    """The key that the service names, taken on trust. AuditError `log_key_unknown`."""
    vkey = client.get_json("/.well-known/rail.json").get("log_vkey")
    if not isinstance(vkey, str):
        raise AuditError(
            "log_key_unknown", f"{client.url} does not say which key its log has", "give it with --log-key"
        )
    key = VerifyKey.parse(vkey)
    tell(
        f"this log was not seen before: its key is taken on trust and pinned\n  {key.vkey}\n"
        "  compare it with what the operator publishes elsewhere, or give it with --log-key"
    )
    return key
