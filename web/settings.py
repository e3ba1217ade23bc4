"""Where everything lives and which limits hold: one frozen object, read from `RAIL_*` variables once, at start."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from inference.models import default_model_path
from ledger.content import VISIBILITIES
from web.errors import SettingsError

DEFAULT_HOME = "~/.local/share/rail"


@dataclass(frozen=True, slots=True)
class Settings:
    """All choices of one service or command. Paths are absolute; sizes are bytes; nothing here is secret."""

    home: Path  # keys, the default database, receipts; made 0700 on first use
    database: str  # SQLAlchemy URL of the log and its index
    model: Path  # the `.rail` file to load
    origin: str | None = None  # name of the log; None: the log key's own name, made from its digest on first use
    operator_name: str = "local operator"
    operator_contact: str = "none given"
    host: str = "127.0.0.1"
    port: int = 8080
    threads: int | None = None  # None: the engine's choice
    kernels: str | None = None  # None: RAIL_KERNELS or the fastest
    visibility: str = "public"  # of generations whose request names none
    policy: Path | None = None  # tlog-policy file: the witnesses that are asked to cosign; None: there are none
    log_signer: str | None = None  # PKCS#11 URI of the log's key; None: it is in a file below `home`
    log_ml_dsa: bool = False  # whether checkpoints bear a second signature, ML-DSA-44, by a key of its own
    max_text_bytes: int = 1_000_000  # a pasted text, as UTF-8
    max_prompt_bytes: int = 1 << 20  # a request to generate, whole
    max_generations: int = 16  # running and waiting together; more are refused with 503

    def __post_init__(self) -> None:
        if self.visibility not in VISIBILITIES:
            raise SettingsError(
                "bad_visibility", f"visibility {self.visibility!r} is not one of {', '.join(VISIBILITIES)}"
            )
        if not 0 <= self.port <= 65535:
            raise SettingsError("bad_port", f"port {self.port} is outside 0..65535")
        for name in ("max_text_bytes", "max_prompt_bytes", "max_generations"):
            if getattr(self, name) < 1:
                raise SettingsError("bad_limit", f"{name} must be at least 1")

    @property
    def log_key(self) -> Path:
        return self.home / "keys" / "log.key"

    @property
    def log_ml_dsa_key(self) -> Path:
        return self.home / "keys" / "log-ml-dsa.key"

    @property
    def submitters(self) -> Path:
        return self.home / "submitters.json"

    @property
    def operator_key(self) -> Path:
        return self.home / "keys" / "operator.key"

    @classmethod
    def from_env(cls, **overrides: object) -> "Settings":
        """Settings from `RAIL_<FIELD>` variables; an override that is not None wins over its variable.

        Raises SettingsError for a number that is not one, or an override that no field has.
        """
        given = {key: value for key, value in overrides.items() if value is not None}
        unknown = given.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise SettingsError("unknown_setting", f"no setting is called {', '.join(sorted(unknown))}")
        for field in fields(cls):
            text = os.environ.get(f"RAIL_{field.name.upper()}", "")
            if text and field.name not in given:
                given[field.name] = text
        home = Path(str(given.pop("home", DEFAULT_HOME))).expanduser().absolute()
        model = given.pop("model", None)
        if model is None:
            model = default_model_path()
        for name in ("port", "threads", "max_text_bytes", "max_prompt_bytes", "max_generations"):
            if name in given:
                given[name] = _whole(name, given[name])
        if "policy" in given:
            given["policy"] = Path(str(given["policy"])).expanduser().absolute()
        if "log_ml_dsa" in given:
            given["log_ml_dsa"] = _yes_or_no("log_ml_dsa", given["log_ml_dsa"])
        return cls(
            home=home,
            database=str(given.pop("database", f"sqlite:///{home / 'rail.db'}")),
            model=Path(str(model)).expanduser().absolute(),
            **given,  # type: ignore[arg-type]
        )


def _whole(name: str, value: object) -> int:
    text = str(value)
    if not text.isascii() or not text.isdigit():
        raise SettingsError("bad_number", f"RAIL_{name.upper()} is {text!r}; a whole number is needed")
    return int(text)


def _yes_or_no(name: str, value: object) -> bool:
    text = str(value).lower()
    if text not in ("0", "1", "false", "true"):
        raise SettingsError("bad_switch", f"RAIL_{name.upper()} is {text!r}; it is 1 (on) or 0 (off)")
    return text in ("1", "true")
