"""Keys: their names, identifiers, text forms and files (C2SP signed-note).

    rail.example/log1+7fd7bc70+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4    public
    PRIVATE+KEY+rail.example/log1+7fd7bc70+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f    secret

    key id = first 4 bytes of SHA-256(name || "\\n" || algorithm || public key)

The same form serves logs and operators (algorithm 0x01, Ed25519), witnesses (0x04, Ed25519 with a time) and, for both,
ML-DSA-44 with a time (0x06). A secret is a 32-byte seed for each of them. A key signs for one purpose only.
"""

import os
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import ml_dsa
from ledger.compiled import PUBLIC_BYTES, SIGNATURE_BYTES, ed25519_valid
from ledger.encoding import format_base64, parse_base64
from ledger.errors import ParseError, SignatureInvalid
from ledger.key_files import read_secret, write_secret

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
ML_DSA_44 = 0x06
ALGORITHMS = (ED25519, COSIGNATURE_V1, ML_DSA_44)

SEED_BYTES = 32
KEY_ID_BYTES = 4
NAME_BYTES_MAX = 255
KEY_TEXT_CHARS_MAX = 2100  # a name, and an ML-DSA-44 key in base64

_KNOWN = "0x01, 0x04 (Ed25519) and 0x06 (ML-DSA-44)"
_PRIVATE_PREFIX = "PRIVATE+KEY+"
_KEY_ID_HEX = re.compile("[0-9a-f]{8}", re.ASCII)
# Unicode white space, ASCII controls and the plus sign; written out because str.isspace moves with Python's version.
_NAME_FORBIDDEN = re.compile("[\x00-\x20\x7f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff+]")

# Encodings of the points of order 1, 2, 4 and 8 with the sign bit cleared. A signature under such a "public key" can be
# made by anybody for almost any message, so the key proves nothing.
_FIELD_PRIME = 2**255 - 19
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _FIELD_PRIME - 1, _ORDER_8_Y, _FIELD_PRIME - _ORDER_8_Y})


def check_key_name(name: str) -> None:
    """Raise ParseError (`key_name`) unless a note may be signed under this name: 1..255 bytes, no blanks, no plus."""
    if not name or _NAME_FORBIDDEN.search(name) or len(name.encode()) > NAME_BYTES_MAX:
        raise ParseError(
            "key_name", f"not a key name: {name[:80]!r}; use 1..{NAME_BYTES_MAX} bytes of UTF-8 without blanks or '+'"
        )


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    """The 4 bytes that stand for a key in a signature line; collisions are possible and must do no harm."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:KEY_ID_BYTES]


def operator_id(public: bytes) -> bytes:
    """The 32 bytes that stand for an operator in statements: SHA-256 of the raw public key."""
    return sha256(public).digest()


def verify_ed25519(public: bytes, message: bytes, signature: bytes, code: str, what: str) -> None:
    """Raise SignatureInvalid with `code` unless `signature` over `message` is by the key `public`."""
    whole = len(public) == PUBLIC_BYTES and len(signature) == SIGNATURE_BYTES
    if not whole or ed25519_valid([(public, signature, message)]) != [True]:
        raise SignatureInvalid(code, f"{what} does not verify: it is altered, or made with another key")


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A named public key."""

    name: str
    public: bytes
    algorithm: int = ED25519

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if self.algorithm not in ALGORITHMS:
            raise ParseError("vkey_algorithm", f"signature algorithm 0x{self.algorithm:02x} is not one of {_KNOWN}")
        if self.algorithm != ML_DSA_44:
            check_public_key(self.public, "vkey_public")
        elif len(self.public) != ml_dsa.PUBLIC_BYTES:
            raise ParseError("vkey_public", f"an ML-DSA-44 key has {ml_dsa.PUBLIC_BYTES} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a vkey; raises ParseError (`vkey_format`, `vkey_key_id`, `vkey_base64`, `vkey_public`, ...)."""
        name, algorithm, public = _parse_key_text(text, "vkey")
        key = cls(name, public, algorithm)
        if key.vkey != text:
            raise ParseError("vkey_key_id", f"the key id of vkey {text[:80]!r} does not belong to its name and key")
        return key

    @property
    def key_id(self) -> bytes:
        """The 4-byte C2SP key id."""
        return key_id(self.name, self.algorithm, self.public)

    @property
    def vkey(self) -> str:
        """The C2SP text form, inverse of `parse`."""
        return f"{self.name}+{self.key_id.hex()}+{format_base64(bytes([self.algorithm]) + self.public)}"

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise SignatureInvalid (`signature`) unless this key made the raw signature over `message`."""
        check = ml_dsa.verify if self.algorithm == ML_DSA_44 else verify_ed25519
        check(self.public, message, signature, "signature", f"the signature by {self.name}")


class NoteSigner(Protocol):
    """A named key that signs, wherever its secret is: a `SigningKey`, or one in a token (pkcs11_key.py)."""

    @property
    def name(self) -> str: ...

    @property
    def algorithm(self) -> int: ...

    @property
    def public(self) -> bytes: ...

    @property
    def key_id(self) -> bytes: ...

    @property
    def verify_key(self) -> VerifyKey: ...

    @property
    def vkey(self) -> str: ...

    def sign(self, message: bytes) -> bytes:
        """Raw signature; StoreError if the secret cannot be reached."""
        ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A named private key. Its seed appears in no repr; it leaves the object through `save` only."""

    name: str
    _seed: bytes = field(repr=False)
    algorithm: int = ED25519
    public: bytes = field(init=False)

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if self.algorithm not in ALGORITHMS:
            raise ParseError("key_algorithm", f"signature algorithm 0x{self.algorithm:02x} is not one of {_KNOWN}")
        if len(self._seed) != SEED_BYTES:
            raise ParseError("key_seed", f"a seed has {SEED_BYTES} bytes, not {len(self._seed)}")
        post_quantum = self.algorithm == ML_DSA_44
        public = ml_dsa.public_of(self._seed) if post_quantum else self._private().public_key().public_bytes_raw()
        object.__setattr__(self, "public", public)

    @classmethod
    def generate(cls, name: str, algorithm: int = ED25519) -> Self:
        """A new random key."""
        return cls(name, os.urandom(SEED_BYTES), algorithm)

    @classmethod
    def from_seed(cls, name: str, seed: bytes, algorithm: int = ED25519) -> Self:
        """The key with this 32-byte seed (private key of RFC 8032, or seed of FIPS 204)."""
        return cls(name, seed, algorithm)

    @property
    def key_id(self) -> bytes:
        """The 4-byte C2SP key id."""
        return key_id(self.name, self.algorithm, self.public)

    @property
    def verify_key(self) -> VerifyKey:
        """The public half."""
        return VerifyKey(self.name, self.public, self.algorithm)

    @property
    def vkey(self) -> str:
        """Text form of the public half."""
        return self.verify_key.vkey

    def sign(self, message: bytes) -> bytes:
        """Raw signature: of Ed25519, 64 bytes and always the same; of ML-DSA-44, 2,420 bytes and random."""
        if self.algorithm == ML_DSA_44:
            return ml_dsa.sign(self._seed, message)
        return self._private().sign(message)

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._seed)

    def save(self, path: Path | str) -> None:
        """Write the key to a new file that its owner alone may read; errors as of `write_secret`."""
        secret = format_base64(bytes([self.algorithm]) + self._seed)
        write_secret(Path(path), f"{_PRIVATE_PREFIX}{self.name}+{self.key_id.hex()}+{secret}\n".encode())

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a key file; raises NotFound `key_file_missing`, StoreError `key_file_read`, ParseError `key_file_*`.

        A file that others may read is refused (`key_file_mode`), as is anything but the exact bytes that `save` writes.
        """
        data = read_secret(Path(path))
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise ParseError("key_file_format", f"key file {path} is not UTF-8 text") from None
        if not text.startswith(_PRIVATE_PREFIX) or not text.endswith("\n"):
            raise ParseError(
                "key_file_format", f"key file {path} is not one line {_PRIVATE_PREFIX}<name>+<id>+<base64>"
            )
        name, algorithm, seed = _parse_key_text(text.removeprefix(_PRIVATE_PREFIX)[:-1], "key_file")
        key = cls(name, seed, algorithm)
        if key.key_id.hex() != text.split("+")[3]:
            raise ParseError("key_file_key_id", f"the key id in key file {path} does not belong to its name and key")
        return key


def check_public_key(public: bytes, code: str) -> None:
    """Raise ParseError with `code` unless these are 32 bytes that name an Ed25519 point of large order, in one way."""
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    if len(public) != PUBLIC_BYTES or y >= _FIELD_PRIME or y in _SMALL_ORDER_Y:
        raise ParseError(code, f"not an Ed25519 public key: {public[:PUBLIC_BYTES].hex()} ({len(public)} bytes)")


def _parse_key_text(text: str, kind: str) -> tuple[str, int, bytes]:
    """Split '<name>+<8 hex>+<base64(algorithm || bytes)>' on its first two plus signs: (name, algorithm, bytes)."""
    parts = text.split("+", 2) if len(text) <= KEY_TEXT_CHARS_MAX else []
    if len(parts) != 3:
        raise ParseError(f"{kind}_format", f"not '<name>+<key id>+<base64>': {_shown(text, kind)}")
    name, identifier, encoded = parts
    if not _KEY_ID_HEX.fullmatch(identifier):
        raise ParseError(f"{kind}_key_id", f"the key id is not 8 lower-case hexadecimal digits: {identifier[:20]!r}")
    try:
        data = parse_base64(encoded, f"{kind}_base64", "the key")
    except ParseError:
        raise ParseError(f"{kind}_base64", f"the key is not canonical base64: {_shown(text, kind)}") from None
    expected = ml_dsa.PUBLIC_BYTES if kind == "vkey" and data[:1] == bytes([ML_DSA_44]) else SEED_BYTES
    if len(data) != 1 + expected:
        raise ParseError(f"{kind}_length", f"the key has {len(data)} bytes, not 1 + {expected}")
    return name, data[0], data[1:]


def _shown(text: str, kind: str) -> str:
    """The text for an error message, unless it may hold a secret."""
    return repr(text[:80]) if kind == "vkey" else "(content not shown)"
