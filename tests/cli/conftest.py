"""The real `rail` command as a process, on a tiny model, with homes of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.wordy_model import write_wordy
from web.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
COMMAND_SECONDS = 120
PROMPT = "once upon a time"
SAMPLING = ("--seed", "7", "--temperature", "1", "--max-tokens", "60")


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object that --json promises on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def error(self) -> str:
        """Code of the error that --json reported; the same is on stderr, with no traceback."""
        assert "Traceback" not in self.err
        code = str(self.json["error"]["code"])
        assert f"[{code}]" in self.err
        return code


Rail = Callable[..., Finished]


@dataclass(frozen=True, slots=True)
class Machine:
    """Somebody's computer: a model, a cache, nothing of the developer's environment."""

    model: Path
    cache: Path

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAIL_")}
        ours = {
            "RAIL_MODEL": str(self.model),
            "XDG_CACHE_HOME": str(self.cache),
            "RAIL_HOME": str(self.cache / "no-home"),
            "PYTHONPATH": str(REPOSITORY),
            "COLUMNS": "100",
        }
        return kept | ours | extra

    def here(self, *arguments: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> Finished:
        """Run `rail ARGUMENTS` inside this process: the same code without a second start of Python."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("RAIL_")]:
                patch.delenv(name)
            for name, value in self.environment(**(env or {})).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as left:
                main.main(list(map(str, arguments)))
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
        return Finished(int(left.value.code or 0), *texts)

    def rail(self, *arguments: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> Finished:
        """Run `rail ARGUMENTS` to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "web.cli", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=self.environment(**(env or {})),
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("machine")
    write_wordy(folder / "wordy.rail")
    return Machine(folder / "wordy.rail", folder / "cache")


@pytest.fixture(scope="session")
def rail(machine: Machine) -> Rail:
    """The command as a process of its own."""
    return machine.rail


@pytest.fixture(scope="session")
def here(machine: Machine) -> Rail:
    """The command inside this process, for the long lists of cases."""
    return machine.here


@pytest.fixture(scope="session", autouse=True)
def own_cache(machine: Machine) -> Iterator[None]:
    """What tests verify in this process goes into the machine's cache, not into the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(machine.cache))
        yield


@dataclass(frozen=True, slots=True)
class Story:
    """One logged run and where its parts are."""

    home: Path
    answer: dict[str, Any]  # of `rail generate --json`

    @property
    def text(self) -> str:
        return str(self.answer["text"])

    @property
    def receipt(self) -> Path:
        return Path(self.answer["receipt"])

    @property
    def vkey(self) -> str:
        value = json.loads(self.receipt.read_text(encoding="utf-8"))["log"]
        assert isinstance(value, str)
        return value


@pytest.fixture(scope="session")
def story(rail: Rail, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A home with one public run in its log."""
    home = tmp_path_factory.mktemp("story") / "home"
    done = rail("generate", PROMPT, *SAMPLING, "--home", home, "--json")
    assert done.code == 0, done.err
    return Story(home, done.json)
