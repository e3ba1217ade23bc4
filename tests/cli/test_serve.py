"""`rail serve`: a real gunicorn on a real port, started, asked, and stopped."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Machine, Rail

START_SECONDS = 60
STOP_SECONDS = 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(machine: Machine, home: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process and what it announced; killed at the end if it is still there."""
    command = [sys.executable, "-m", "web.cli", "serve", "--home", str(home), "--port", str(free_port()), "--json"]
    process = subprocess.Popen(
        command, env=machine.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = []
        while not lines or lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], "the service ended before it was ready"
        yield process, json.loads("".join(lines))
    finally:
        process.kill()
        process.communicate()


@pytest.mark.timeout(START_SECONDS + STOP_SECONDS)
def test_it_serves_logs_and_stops_when_told(machine: Machine, rail: Rail, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with serving(machine, home) as (process, facts):
        assert facts["verdict"] == "serving"
        known = httpx.get(f"{facts['url']}/.well-known/rail.json").json()
        assert known["log_vkey"] == facts["log_vkey"]
        body = {"model": "wordy", "prompt": "once upon a time", "seed": 1, "max_tokens": 8}
        answer = httpx.post(f"{facts['url']}/v1/completions", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        record_id = answer.json()["rail"]["record_id"]
        # A command works on the same log while the service runs.
        assert (
            rail("generate", "once", "--max-tokens", "4", "--home", home, "--json").json["record_id"] == record_id + 1
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    assert rail("log", "fsck", "--home", home, "--json").json["size"] == record_id + 2


def test_an_address_in_use_is_named(rail: Rail, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = rail("serve", "--port", str(taken.getsockname()[1]), "--home", tmp_path / "home", "--json")
    assert (done.code, done.error) == (2, "address_unusable")


def test_a_service_that_cannot_start_says_why_without_a_traceback(rail: Rail, tmp_path: Path) -> None:
    port = str(free_port())
    done = rail("serve", "--port", port, "--home", tmp_path / "home", "--model", "/nowhere.rail")
    assert done.code == 2
    assert "[unreadable]" in done.err
    assert "Traceback" not in done.err
