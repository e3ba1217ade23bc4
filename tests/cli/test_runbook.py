"""The runbook names commands, options and errors that exist."""

import re
from pathlib import Path

import pytest

from web.cli import main

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "ledger" / "RUNBOOK.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`rail ([a-z -]+?)(?= [A-Z.<]| --|`)", RUNBOOK)))


@pytest.mark.parametrize("words", COMMANDS)
def test_its_commands_exist(words: str) -> None:
    context = main.make_context("rail", [words.split()[0]], resilient_parsing=True)
    command = main
    for word in words.split()[:2]:
        found = command.get_command(context, word) if hasattr(command, "get_command") else command
        assert found is not None, f"rail {words}"
        command = found


def test_its_errors_exist() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for folder in ("ledger", "web") for path in (ROOT / folder).rglob("*.py")
    )
    codes = set(re.findall(r"`([a-z]+_[a-z_]+)`", RUNBOOK))
    assert len(codes) > 10
    assert {code for code in codes if f'"{code}"' not in sources} == set()
