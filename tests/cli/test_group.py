"""What holds for every command: help, version, environment twins, errors without tracebacks."""

import os
import subprocess
import sys
import time

import pytest

from tests.cli.conftest import Machine, Rail
from web.cli import COMMANDS, main
from web.cli.group import READER_GONE

LEAVES = [
    ("demo",),
    ("serve",),
    ("generate",),
    ("verify",),
    ("audit",),
    ("convert",),
    ("model", "show"),
    ("model", "verify"),
    ("log", "info"),
    ("log", "fsck"),
    ("log", "export"),
    ("log", "erase"),
    ("log", "migrate"),
    ("log", "hammer"),
    ("log", "backup"),
    ("log", "restore"),
    ("log", "import"),
    *(("operator", name) for name in ("policy", "allow", "deny", "limit", "invite", "list", "show", "retain")),
    *(("operator", name) for name in ("register", "rotate", "revoke")),
    ("submit",),
    ("key", "show"),
    ("key", "protect"),
    ("key", "unprotect"),
    ("receipt", "upgrade"),
    ("monitor",),
    ("mirror",),
    ("witness", "init"),
    ("witness", "add-log"),
    ("witness", "remove-log"),
    ("witness", "info"),
    ("witness", "evidence"),
    ("witness", "serve"),
    ("doctor",),
    ("bench", "engine"),
    ("bench", "matching"),
    ("bench", "thresholds"),
    ("index", "info"),
    ("index", "rebuild"),
]


def test_the_list_of_commands_here_is_complete() -> None:
    assert {leaf[0] for leaf in LEAVES} == set(COMMANDS)


def test_version_and_help_are_quick_and_name_every_command(rail: Rail) -> None:
    assert rail("--version").out.startswith("rail ")
    started = time.perf_counter()
    done = rail("--help")
    assert time.perf_counter() - started < 5  # 0.2 s on an idle machine
    assert done.code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.out
    assert "1  no match, mismatch" in done.out


@pytest.mark.parametrize("leaf", LEAVES, ids=" ".join)
def test_every_command_has_json_help_and_an_example(leaf: tuple[str, ...]) -> None:
    context = main.make_context("rail", list(leaf), resilient_parsing=True)
    command = main
    for name in leaf:
        found = command.get_command(context, name)  # type: ignore[attr-defined]
        assert found is not None
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options
    parent = main.get_command(context, leaf[0])
    assert parent is not None
    assert f"rail {' '.join(leaf)}" in (parent.help or "") + (command.help or "")
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert str(parameter.envvar).startswith("RAIL_"), f"{parameter.name} has no environment twin"


def test_a_wrong_option_is_one_line_with_a_hint_and_exit_code_2(rail: Rail) -> None:
    done = rail("verify", "--no-such-option")
    assert done.code == 2
    assert done.err.startswith("error [usage]")
    assert "rail verify --help" in done.err
    assert rail("nonsense", "--json").error == "usage"


@pytest.mark.parametrize("group", [(), ("model",), ("log",), ("receipt",), ("witness",), ("bench",)])
def test_a_group_without_a_command_shows_its_help(here: Rail, group: tuple[str, ...]) -> None:
    done = here(*group)
    assert done.code == 2
    assert done.err.startswith("Usage: rail")
    assert "Commands:" in done.err


def test_an_environment_variable_stands_in_for_its_option(here: Rail) -> None:
    done = here("generate", "x", env={"RAIL_SEED": "-1", "RAIL_JSON": "1"})
    assert done.code == 2
    assert done.error == "out_of_range"


def test_an_option_wins_over_its_variable(here: Rail) -> None:
    done = here("model", "show", "/nowhere.rail", "--json", env={"RAIL_MODEL": os.devnull})
    assert "/nowhere.rail" in done.json["error"]["message"]


def test_an_unforeseen_error_is_called_a_bug_and_shows_no_stack(here: Rail) -> None:
    done = here("log", "info", "--json", env={"RAIL_DATABASE": "nonsense://"})
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_reader_who_leaves_early_is_no_verdict(machine: Machine) -> None:
    command = [sys.executable, "-m", "web.cli", "model", "show"]
    with subprocess.Popen(
        command, env=machine.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == READER_GONE
