"""Files that hold a secret: written once, synchronised, mode 0600; read only if nobody but their owner can.

Encrypted where a passphrase is set (key_protection.py); those that are not are read all the same.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from ledger.errors import NotFound, ParseError, StoreError
from ledger.key_protection import VARIABLE, is_protected, passphrase_path, protect, unprotect

SECRET_BYTES_MAX = 1024


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file that its owner alone may read: whole or not at all, and durable when this returns.

    Raises StoreError: `key_file_exists` (never overwritten: a lost log key cannot be replaced), `key_file_write`; and
    what `read_secret` raises about the file with the passphrase, where one is set.
    """
    passphrase = _passphrase()
    if passphrase is not None:
        data = protect(data, passphrase)
    _write(path, data, replace=False)


def rewrite_secret(path: Path, protected: bool) -> None:
    """Encrypt a key file with the passphrase, or store it as it is, in one durable step; errors as of both functions.

    ParseError `key_file_passphrase` if no passphrase is set.
    """
    data, passphrase = read_secret(path), _passphrase()
    if passphrase is None:
        raise ParseError("key_file_passphrase", f"set {VARIABLE} to the file that holds the passphrase")
    _write(path, protect(data, passphrase) if protected else data, replace=True)


def _passphrase() -> bytes | None:
    path = passphrase_path()
    if path is None:
        return None
    passphrase = _read(path).removesuffix(b"\n")
    if not passphrase:
        raise ParseError("key_file_passphrase", f"the passphrase in {path} is empty")
    return passphrase


def _write(path: Path, data: bytes, replace: bool) -> None:
    draft = path.with_name(
        f".{path.name}.{os.getpid()}.draft"
    )  # A draft left by a crash is no key, and in no one's way.
    try:
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(draft, path)
        else:
            os.link(draft, path)  # Unlike a rename, this fails if the file exists.
        _sync_folder(path.parent)
    except FileExistsError:
        raise StoreError("key_file_exists", f"{path} exists and is not overwritten; move it away first") from None
    except OSError as error:
        raise StoreError("key_file_write", f"cannot write key file {path}: {error.strerror}", retryable=True) from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def read_secret(path: Path) -> bytes:
    """The content of a key file, decrypted if it is encrypted.

    Raises NotFound (`key_file_missing`), StoreError (`key_file_read`) and ParseError: `key_file_mode` for a file that
    others may read or write, `key_file_format` for one that is too long or no regular file, `key_file_passphrase`.
    """
    data = _read(path)
    if not is_protected(data):
        return data
    passphrase = _passphrase()
    if passphrase is None:
        raise ParseError(
            "key_file_passphrase", f"key file {path} is encrypted; set {VARIABLE} to the file with its passphrase"
        )
    return unprotect(data, passphrase)


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound("key_file_missing", f"there is no key file {path}") from None
    except OSError as error:
        raise StoreError("key_file_read", f"cannot open key file {path}: {error.strerror}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ParseError("key_file_format", f"key file {path} is not a regular file")
        if stat.S_IMODE(mode) & 0o077:
            raise ParseError("key_file_mode", f"key file {path} is open to others; run: chmod 600 {path}")
        data = os.read(descriptor, SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise StoreError("key_file_read", f"cannot read key file {path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > SECRET_BYTES_MAX:
        raise ParseError("key_file_format", f"key file {path} is longer than {SECRET_BYTES_MAX} bytes")
    return data


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
