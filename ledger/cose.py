"""COSE_Sign1 (RFC 9052 section 4.2) with Ed25519 (alg -8), reduced to what a statement needs.

    d2                            tag 18
       84                         array of 4
          58 .. a3 01 27          protected header, in a byte string: {1: -8,
                03 78 1f ..           3: "application/rail-statement+cbor",
                04 58 20 ..           4: key id, 32 bytes}
          a0                      unprotected header: empty
          58 .. / 59 .. ..        payload, in a byte string
          58 40 ..                signature, 64 bytes

Nothing is negotiable: the algorithm and the content type are constants, so a signature made here can serve for nothing
else and there is one encoding of each signed object.
"""

from dataclasses import dataclass
from functools import lru_cache

from ledger import cbor
from ledger.errors import ParseError
from ledger.keys import SIGNATURE_BYTES

CONTENT_TYPE = "application/rail-statement+cbor"
KEY_ID_BYTES = 32
SIGNED_BYTES_MAX = 65_535

_TAG_18 = b"\xd2"
_ALG, _CONTENT_TYPE, _KEY_ID = 1, 3, 4
_EDDSA = -8
_SIGN1_TYPES = (bytes, dict, bytes, bytes)


@dataclass(frozen=True, slots=True)
class Sign1:
    """A signed object, unverified. `signature` is raw Ed25519 over `signing_bytes(key_id, payload)`."""

    key_id: bytes
    payload: bytes
    signature: bytes

    def encode(self) -> bytes:
        """The tagged COSE_Sign1 encoding."""
        return _TAG_18 + cbor.encode([_protected(self.key_id), {}, self.payload, self.signature])


def signing_bytes(key_id: bytes, payload: bytes) -> bytes:
    """The Sig_structure that is signed (RFC 9052 section 4.4), without external data."""
    return _before_payload(key_id) + cbor.encode(payload)


def decode_sign1(data: bytes) -> Sign1:
    """Inverse of `Sign1.encode`; raises ParseError with a code `cose_*` or `cbor_*`."""
    if len(data) > SIGNED_BYTES_MAX:
        raise ParseError("cose_size", f"the signed statement has {len(data)} bytes; the limit is {SIGNED_BYTES_MAX}")
    if data[:1] != _TAG_18:
        raise ParseError("cose_tag", f"not a COSE_Sign1 object: its first byte is {data[:1].hex() or 'absent'}, not d2")
    items = cbor.decode(data[1:], SIGNED_BYTES_MAX)
    if not isinstance(items, list) or tuple(map(type, items)) != _SIGN1_TYPES:
        raise ParseError("cose_structure", "not a COSE_Sign1 array: [protected, unprotected, payload, signature]")
    protected, unprotected, payload, signature = items
    key_id = _key_id_of(protected)
    if unprotected:
        raise ParseError("cose_unprotected", "the unprotected header is not empty; nothing unsigned is accepted")
    if len(signature) != SIGNATURE_BYTES:
        raise ParseError("cose_signature_length", f"the signature has {len(signature)} bytes, not {SIGNATURE_BYTES}")
    return Sign1(key_id, payload, signature)


@lru_cache(maxsize=256)
def _before_payload(key_id: bytes) -> bytes:
    """The Sig_structure, an array of four, up to its last item."""
    whole = cbor.encode(["Signature1", _protected(key_id), b"", b""])
    return whole[: -len(cbor.encode(b""))]


@lru_cache(maxsize=256)
def _protected(key_id: bytes) -> bytes:
    return cbor.encode({_ALG: _EDDSA, _CONTENT_TYPE: CONTENT_TYPE, _KEY_ID: key_id})


def _key_id_of(protected: bytes) -> bytes:
    """The key id in a protected header that has exactly the three expected entries."""
    if len(protected) > KEY_ID_BYTES and protected == _protected(protected[-KEY_ID_BYTES:]):
        return protected[-KEY_ID_BYTES:]
    # Not the one form that there is: say what is wrong with it.
    header = cbor.decode(protected, SIGNED_BYTES_MAX)
    if not isinstance(header, dict) or set(header) != {_ALG, _CONTENT_TYPE, _KEY_ID}:
        raise ParseError("cose_protected", "the protected header is not exactly algorithm, content type and key id")
    if header[_ALG] != _EDDSA:
        raise ParseError("cose_algorithm", f"algorithm {header[_ALG]!r:.30} is not EdDSA (-8)")
    if header[_CONTENT_TYPE] != CONTENT_TYPE:
        raise ParseError("cose_content_type", f"content type {header[_CONTENT_TYPE]!r:.60} is not {CONTENT_TYPE}")
    key_id = header[_KEY_ID]
    if not isinstance(key_id, bytes) or len(key_id) != KEY_ID_BYTES:
        raise ParseError("cose_key_id", f"the key id is not a byte string of {KEY_ID_BYTES} bytes")
    return key_id
