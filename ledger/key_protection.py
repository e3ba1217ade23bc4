"""Key files encrypted at rest, on request: with a passphrase from a file that an environment variable names.

    ENCRYPTED+KEY+scrypt-15-8-1+<salt, 16 bytes in hex>+<base64(nonce, 12 bytes || ciphertext || tag, 16 bytes)>

The key of ChaCha20-Poly1305 is scrypt(passphrase, salt) with N = 2^15, r = 8, p = 1: 32 MiB and a tenth of a second for
each guess. Everything before the third plus sign is authenticated with it. The parameters are constants: a file cannot
ask for more memory. RAIL_KEY_PASSPHRASE_FILE names the file with the passphrase (mode 0600; a newline at its end does
not count), such as a credential that the service manager hands over.
"""

import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ledger.encoding import format_base64, parse_base64
from ledger.errors import ParseError

PREFIX = b"ENCRYPTED+KEY+"
VARIABLE = "RAIL_KEY_PASSPHRASE_FILE"

_KDF = "scrypt-15-8-1"
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32
_FORM = re.compile(rb"(?P<head>ENCRYPTED\+KEY\+scrypt-15-8-1\+(?P<salt>[0-9a-f]{32}))\+(?P<sealed>[A-Za-z0-9+/]+=*)\n")


def passphrase_path() -> Path | None:
    """The file with the passphrase, None if keys are kept as they are."""
    name = os.environ.get(VARIABLE, "")
    return Path(name) if name else None


def is_protected(data: bytes) -> bool:
    return data.startswith(PREFIX)


def protect(data: bytes, passphrase: bytes) -> bytes:
    """The content of an encrypted key file that holds `data`."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    head = PREFIX + f"{_KDF}+{salt.hex()}".encode()
    sealed = ChaCha20Poly1305(_derive(passphrase, salt)).encrypt(nonce, data, head)
    return head + b"+" + format_base64(nonce + sealed).encode() + b"\n"


def unprotect(data: bytes, passphrase: bytes) -> bytes:
    """Inverse of `protect`. ParseError `key_file_format`, `key_file_passphrase`."""
    form = _FORM.fullmatch(data)
    if form is None:
        raise ParseError("key_file_format", "an encrypted key file is not in its one form")
    head, salt = form["head"], bytes.fromhex(form["salt"].decode("ascii"))
    sealed = parse_base64(form["sealed"].decode("ascii"), "key_file_format", "the sealed key")
    try:
        return ChaCha20Poly1305(_derive(passphrase, salt)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], head)
    except (InvalidTag, ValueError):
        message = "the passphrase does not open this key file, or the file was altered"
        raise ParseError("key_file_passphrase", message) from None


def _derive(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=2**15, r=8, p=1).derive(passphrase)
