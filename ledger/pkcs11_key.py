"""A log's Ed25519 key inside a PKCS#11 token (an HSM), which signs and never shows it.

    pkcs11:token=rail;object=log-key?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/secrets/pin

A PKCS#11 URI (RFC 7512). Path: `token` and `object` or `id`, which must name one key pair whose public half the token
has too. Query: `module-path`, the token's library, and `pin-source`, a file as private as a key file. `pin-value` is
refused: an address is seen by everybody who lists processes. Needs the package python-pkcs11.
"""

import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ledger.errors import LedgerError, NotFound, ParseError, StoreError
from ledger.key_files import read_secret
from ledger.keys import ED25519, PUBLIC_BYTES, VerifyKey

SCHEME = "pkcs11:"
URI_CHARS_MAX = 2000

_PATH = ("token", "object", "id")
_QUERY = ("module-path", "pin-source")
_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_OCTET_STRING = bytes([0x04, PUBLIC_BYTES])  # DER: the point as PKCS#11 3.0 wraps it; older tokens give it bare


@dataclass(frozen=True, slots=True)
class KeyAddress:
    """A parsed URI. `label` and `id`: at least one of them is there."""

    module: str
    token: str
    label: str | None
    id: bytes | None
    pin_file: Path | None

    @classmethod
    def parse(cls, uri: str) -> "KeyAddress":
        """ParseError `key_uri`, whose message repeats no value."""
        if not uri.startswith(SCHEME) or len(uri) > URI_CHARS_MAX or not uri.isascii() or _PERCENT.search(uri):
            raise _bad("it does not begin with pkcs11:, is too long, is not ASCII, or has a lone %")
        path, _, query = uri.removeprefix(SCHEME).partition("?")
        parts = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
        if "token" not in parts or "module-path" not in parts or not parts.keys() & {"object", "id"}:
            raise _bad("it needs token, module-path, and object or id")
        source = parts.get("pin-source")
        if source is not None and not source.removeprefix("file:").startswith("/"):
            raise _bad("pin-source is not file: and an absolute path")
        return cls(
            module=parts["module-path"],
            token=parts["token"],
            label=parts.get("object"),
            id=parts["id"].encode("latin-1") if "id" in parts else None,
            pin_file=Path(source.removeprefix("file:")) if source is not None else None,
        )


class Pkcs11Key:
    """A `NoteSigner` whose secret is in a token. Safe for threads; made after any fork, as the module demands."""

    algorithm = ED25519

    def __init__(self, name: str, address: KeyAddress) -> None:
        """Opens the token. NotFound `key_missing`, ParseError `key_module`, `key_uri`, `key_public`; StoreError
        `key_device`; and what `read_secret` raises of the file with the PIN."""
        self.name = name
        self._address = address
        self._lock = threading.Lock()  # a session does one thing at a time
        self._key: Any = None
        with self._lock:
            self.public = self._open()
        self.verify_key = VerifyKey(name, self.public)

    @property
    def key_id(self) -> bytes:
        return self.verify_key.key_id

    @property
    def vkey(self) -> str:
        return self.verify_key.vkey

    def sign(self, message: bytes) -> bytes:
        """Raw signature, 64 bytes, verified before it leaves. StoreError `key_device` (retryable).

        A token that was away is opened again: another key than before is refused.
        """
        from pkcs11 import Mechanism

        with self._lock:
            try:
                if self._key is None and self._open() != self.public:
                    raise StoreError("key_device", f"the token {self._address.token!r} holds another key now")
                signature = bytes(self._key.sign(message, mechanism=Mechanism.EDDSA))
            except LedgerError:
                self._key = None
                raise
            except Exception as error:
                self._close()
                raise _failed(error) from error
        self.verify_key.verify(message, signature)
        return signature

    def _open(self) -> bytes:
        """Find the key pair; returns its public half."""
        try:
            import pkcs11
        except ImportError:
            raise ParseError("key_module", "PKCS#11 keys need the package python-pkcs11: rail-ledger[pkcs11]") from None
        address = self._address
        pin = None if address.pin_file is None else read_secret(address.pin_file).removesuffix(b"\n").decode("utf-8")
        try:
            token = pkcs11.lib(address.module).get_token(token_label=address.token)
            try:
                session = token.open(user_pin=pin)
            except pkcs11.UserAlreadyLoggedIn:
                session = token.open()  # by this very process, for another of its keys
            found = {
                kind: session.get_key(object_class=kind, label=address.label, id=address.id)
                for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY)
            }
            point = bytes(found[pkcs11.ObjectClass.PUBLIC_KEY][pkcs11.Attribute.EC_POINT])
        except (pkcs11.NoSuchToken, pkcs11.NoSuchKey, pkcs11.MultipleTokensReturned, pkcs11.MultipleObjectsReturned):
            where = f"token {address.token!r} by {address.module}"
            raise NotFound("key_missing", f"there is not one such key pair in one {where}") from None
        except Exception as error:
            raise _failed(error) from error
        self._key = found[pkcs11.ObjectClass.PRIVATE_KEY]
        public = point.removeprefix(_OCTET_STRING) if len(point) == PUBLIC_BYTES + 2 else point
        if len(public) != PUBLIC_BYTES:
            raise ParseError("key_public", f"the key in the token is not Ed25519: its point has {len(point)} bytes")
        return public

    def _close(self) -> None:
        key, self._key = self._key, None
        if key is not None:
            with suppress(Exception):  # of a device that is gone
                key.session.close()


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise _bad("pin-value would lie open to all; put the PIN into a file and name it by pin-source")
        if not equals or not value or name not in known or name in found:
            raise _bad(f"an attribute is empty, given twice, or not one of {', '.join(known)}")
        try:
            found[name] = unquote(value, encoding="latin-1" if name == "id" else "utf-8", errors="strict")
        except UnicodeDecodeError:
            raise _bad(f"{name} is not UTF-8") from None
    return found


def _bad(why: str) -> ParseError:
    return ParseError("key_uri", f"not a PKCS#11 address that names a key: {why}")


def _failed(error: Exception) -> StoreError:
    return StoreError("key_device", f"the PKCS#11 token failed: {type(error).__name__}", retryable=True)
