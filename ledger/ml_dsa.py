"""ML-DSA-44 (FIPS 204): the second signature algorithm of checkpoints, for the day on which Ed25519 can be forged.

A seed has 32 bytes, a public key 1,312, a signature 2,420. Signing is randomised: the same message has many signatures.
Not every build of `cryptography` has it; `available` says so, and every other function raises ParseError otherwise.
"""

from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ledger.errors import ParseError, SignatureInvalid

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa as _module

    _mldsa: Any = _module
except ImportError:  # before cryptography 46
    _mldsa = None

PUBLIC_BYTES = 1312
SIGNATURE_BYTES = 2420


def available() -> bool:
    """Whether this installation can sign and verify ML-DSA-44."""
    try:
        public_of(bytes(32))
    except ParseError:
        return False
    return True


def public_of(seed: bytes) -> bytes:
    """Public key of a 32-byte seed. ParseError `key_algorithm` where ML-DSA is missing."""
    return bytes(_private(seed).public_key().public_bytes_raw())


def sign(seed: bytes, message: bytes) -> bytes:
    return bytes(_private(seed).sign(message))


def verify(public: bytes, message: bytes, signature: bytes, code: str, what: str) -> None:
    """Raise SignatureInvalid with `code` unless `signature` over `message` is by the key `public`."""
    try:
        _require().MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SignatureInvalid(code, f"{what} does not verify: it is altered, or made with another key") from None
    except UnsupportedAlgorithm:
        raise _missing() from None


def _private(seed: bytes) -> Any:
    try:
        return _require().MLDSA44PrivateKey.from_seed_bytes(seed)
    except UnsupportedAlgorithm:
        raise _missing() from None


def _require() -> Any:
    if _mldsa is None:
        raise _missing()
    return _mldsa


def _missing() -> ParseError:
    return ParseError(
        "key_algorithm", "this installation of `cryptography` has no ML-DSA-44; install version 50 or later"
    )
