"""The commitment to a fingerprint set: recomputed by hand, and silent without the salt."""

import hmac
from hashlib import blake2b, sha256

import pytest
from index_samples import prose

from ledger.errors import ParseError
from ledger.index import fingerprint_root
from ledger.index.fingerprint import keyed_fingerprint
from ledger.index.text import Text
from ledger.merkle import EMPTY_ROOT

SALT = bytes(range(32))


def test_root_by_hand() -> None:
    """Seven words have three shingles, fewer than a window: the least hash is the only fingerprint."""
    words = ["once", "upon", "a", "time", "there", "was", "one"]
    hashes = [
        blake2b(" ".join(words[i : i + 5]).encode(), digest_size=8, person=b"rail-match/1").digest() for i in range(3)
    ]
    least = min(hashes, key=lambda value: int.from_bytes(value, "big", signed=True))
    leaf = hmac.digest(SALT, b"rail/fingerprint/v1\0" + least, sha256)
    assert fingerprint_root("Once upon a time, there was one.", SALT) == sha256(b"\0" + leaf).digest()


def test_frozen() -> None:
    text = "Once upon a time, in a small house at the edge of a wood, there lived an old woman and her three cats."
    assert fingerprint_root(text, SALT).hex() == "5c5e212d2e94b94c30ddef6d4bba0675d778ee7f3b53907b8a624479ab96c81d"


def test_root_depends_on_text_and_salt_not_on_format() -> None:
    text = prose(1, 100)
    root = fingerprint_root(text, SALT)
    assert fingerprint_root(text.upper().replace(" ", "\n"), SALT) == root
    assert fingerprint_root(text, bytes(32)) != root
    assert fingerprint_root(prose(2, 100), SALT) != root


def test_short_texts_have_the_empty_root() -> None:
    assert fingerprint_root("", SALT) == fingerprint_root("Only four words here.", SALT) == EMPTY_ROOT


def test_leaves_share_nothing_between_records() -> None:
    text = Text(prose(1, 100))
    values = [text.shingles.hashes[i] for i in text.fingerprints]
    leaves = [{keyed_fingerprint(value, salt) for value in values} for salt in (SALT, bytes(32))]
    assert not leaves[0] & leaves[1]


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(ParseError) as caught:
        fingerprint_root("\udc80", SALT)
    assert caught.value.code == "text_surrogate"
