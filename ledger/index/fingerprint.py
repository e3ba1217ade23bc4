"""The commitment to an output's fingerprints that a generation statement carries. SPEC.md section 3."""

import hmac
from typing import Final

from ledger.index.text import Text
from ledger.merkle import leaf_hash, root_of

_DOMAIN: Final = b"rail/fingerprint/v1\0"


def fingerprint_root(output_text: str, salt: bytes) -> bytes:
    """RFC 6962 root, 32 bytes, over the output's fingerprints, each keyed with the record's output salt and sorted.

    Without the salt the root confirms no guess about the text; with it, anyone can compute the set and show by an
    inclusion proof that an index left one out. ParseError `text_surrogate` for lone surrogates.
    """
    text = Text(output_text, as_written=True)
    hashes = {text.shingles.hashes[i] for i in text.fingerprints}
    return root_of(leaf_hash(keyed) for keyed in sorted(keyed_fingerprint(value, salt) for value in hashes))


def keyed_fingerprint(value: int, salt: bytes) -> bytes:
    """HMAC-SHA256 under the salt: the leaf for one signed 64-bit fingerprint."""
    return hmac.digest(salt, _DOMAIN + value.to_bytes(8, "big", signed=True), "sha256")
