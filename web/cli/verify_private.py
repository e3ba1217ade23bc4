"""`rail verify --private`: the text stays here; the service is asked for buckets of fingerprints only."""

from typing import Any

from ledger.errors import ParseError
from ledger.index.judge import too_short
from ledger.index.private import BUCKET_BYTES_MAX, PREFIX_BITS_MAX, judged, parse_bucket, prefixes_of
from ledger.index.rules import CHECKED_WEIGHT_MAX, RULES
from ledger.index.text import Text
from web.cli.output import CommandError, progress_bars
from web.client import RailClient


def ask_privately(text: str, client: RailClient) -> dict[str, Any]:
    """The verdict on `text`, and in `asked` what the service was told. Raises ClientError, CommandError."""
    pasted = Text(text, CHECKED_WEIGHT_MAX)
    if refused := too_short(pasted):
        return refused.to_json()
    service = client.get_json("/api/private")
    bits = service.get("prefix_bits")
    if service.get("rules") != RULES or type(bits) is not int or not 0 <= bits <= PREFIX_BITS_MAX:
        raise CommandError("bad_answer", f"{client.url} matches by {service.get('rules')!r}, this program by {RULES}")
    prefixes = prefixes_of(pasted, bits)
    records_of: dict[int, list[int]] = {}
    with progress_bars() as bar:
        advance = bar("asking for buckets")
        for done, prefix in enumerate(prefixes, 1):
            data = client.get(f"/api/private/buckets/{bits}/{prefix}", BUCKET_BYTES_MAX)
            try:
                records_of |= parse_bucket(data, bits, prefix)
            except ParseError as error:
                raise CommandError("bad_answer", f"{client.url} sent a bucket that cannot be read: {error}") from error
            advance(done, len(prefixes))
    told = {"buckets": len(prefixes), "prefix_bits": bits}
    verdict = {**judged(pasted, records_of), "asked": told, "log": service.get("log")}
    if verdict["verdict"] == "none" and not service.get("complete"):
        reason = "the service's index is being built and has not seen all records; try again later"
        verdict |= {"verdict": "unchecked", "reason": reason, "reason_code": "index_incomplete"}
    return verdict
