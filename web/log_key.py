"""The key that signs the log of a home folder: a key file, or a token that `--log-signer` names."""

import re
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

from ledger.keys import NoteSigner, SigningKey
from ledger.pkcs11_key import KeyAddress, Pkcs11Key
from web.errors import SettingsError
from web.settings import Settings

_ORIGIN = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~-]+)*", re.ASCII)


def made_mark(home: Path) -> Path:
    """The file that says, with the log's name, that this home's log was made."""
    return home / "log.made"


def load_log_key(settings: Settings) -> NoteSigner:
    """The key of a log that exists; its name is the log's origin, for ever.

    SettingsError `origin_needed`, and what opening the key file or the token raises.
    """
    if settings.log_signer is None:
        return SigningKey.load(settings.log_key)
    return Pkcs11Key(_token_key_name(settings), KeyAddress.parse(settings.log_signer))


def make_log_key(settings: Settings) -> NoteSigner:
    """The same; a key file that is missing is made. SettingsError `bad_origin`, `origin_mismatch` too."""
    if settings.origin is not None and _ORIGIN.fullmatch(settings.origin) is None:
        raise SettingsError(
            "bad_origin",
            f"origin {settings.origin!r} is not a URL without scheme and final slash, like example.org/log",
        )
    if settings.log_signer is None and not settings.log_key.exists():
        _new_key(settings.origin, settings.log_key)
    key = load_log_key(settings)
    if settings.origin is not None and key.name != settings.origin:
        raise SettingsError(
            "origin_mismatch",
            f"the log key of {settings.home} belongs to {key.name!r}, not to {settings.origin!r}; "
            "use the old origin, or another RAIL_HOME for a new log",
        )
    return key


def _new_key(origin: str | None, path: Path) -> None:
    seed = token_bytes(32)
    if origin is None:
        public = SigningKey.from_seed("rail.local", seed).public
        origin = f"rail.local/{sha256(public).hexdigest()[:8]}"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    SigningKey.from_seed(origin, seed).save(path)


def _token_key_name(settings: Settings) -> str:
    """A token knows no origin: that of the log that was made, else the one that is given."""
    mark = made_mark(settings.home)
    if mark.exists():
        return mark.read_text(encoding="utf-8").removesuffix("\n")
    if settings.origin is None:
        raise SettingsError("origin_needed", "a log whose key is in a token needs its name: --origin example.org/log")
    return settings.origin
