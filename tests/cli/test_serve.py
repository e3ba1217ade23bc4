"""`rail serve`: a real gunicorn on a real port, started, asked, and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.keys import SigningKey
from ledger.statement import ModelStatement, OperatorStatement, sign_statement
from tests.cli.conftest import Machine, Rail

START_SECONDS = 60
STOP_SECONDS = 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(machine: Machine, home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """The process and what it announced; killed at the end if it is still there."""
    command = [sys.executable, "-m", "web.cli", "serve", "--home", str(home), "--port", str(free_port()), "--json"]
    command += options
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
        assert "\nrail_http_connections " in httpx.get(f"{facts['url']}/metrics").text
        # A command works on the same log while the service runs.
        assert (
            rail("generate", "once", "--max-tokens", "4", "--home", home, "--json").json["record_id"] == record_id + 1
        )
        # A second service does not.
        second = rail("serve", "--port", str(free_port()), "--home", home)
        assert second.code == 2 and "[sequencer_running]" in second.err and "process " in second.err
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    assert rail("log", "fsck", "--home", home, "--json").json["size"] == record_id + 2
    assert (home / "upkeep" / "fsck.json").is_file()


@pytest.mark.timeout(2 * (START_SECONDS + STOP_SECONDS))
def test_what_was_in_flight_when_the_service_was_killed_is_sent_again(machine: Machine, tmp_path: Path) -> None:
    """By leaf hash: what was acknowledged is there, and the same statement gives 200 and the same receipt."""
    operator = Operator("mail@killed.test")
    with serving(machine, tmp_path / "home") as (process, facts):
        acknowledged: dict[bytes, int] = {}
        statements = [operator.registration(), *(operator.model(number) for number in range(400))]

        def send() -> None:
            with httpx.Client(base_url=facts["url"]) as client, suppress(httpx.HTTPError):
                for statement in statements:
                    answer = post(client, statement)
                    acknowledged[statement] = answer.json()["record_id"]

        sender = threading.Thread(target=send)
        sender.start()
        while len(acknowledged) < 10:
            time.sleep(0.01)
        os.kill(worker_of(process.pid), signal.SIGKILL)  # amid its work; gunicorn starts another
        sender.join()
        assert len(acknowledged) < len(statements)
        sent = statements[: len(acknowledged) + 1]  # the last one's outcome was never told
        with httpx.Client(base_url=facts["url"], timeout=START_SECONDS) as client:
            first = [post(client, statement) for statement in sent]
            assert [answer.status_code for answer in first[:-1]] == [200] * len(acknowledged)
            assert first[-1].status_code in (200, 201)
            assert [answer.json()["record_id"] for answer in first[:-1]] == list(acknowledged.values())
            receipts = [client.get(answer.json()["receipt_url"]).content for answer in first]
            again = [post(client, statement) for statement in sent]
            assert {answer.status_code for answer in again} == {200}
            assert [client.get(answer.json()["receipt_url"]).content for answer in again] == receipts


class Operator:
    """Signs statements that need nothing but its registration."""

    def __init__(self, contact: str) -> None:
        self.key = SigningKey.generate("operator.test")
        self.contact = contact
        self.time = int(time.time()) - 60

    def registration(self) -> bytes:
        validity = {"valid_from": self.time, "valid_to": None, "action": "register"}
        names = {"name": "operator", "contact": self.contact, "public": self.key.public}
        return sign_statement(OperatorStatement(time=self.time, counter=0, **names, **validity), self.key)

    def model(self, number: int) -> bytes:
        payload = ModelStatement(
            time=self.time,
            counter=1 + number,
            model_root=sha256(b"%d" % number).digest(),
            name=f"model {number}",
            family="llama",
            parameters=1,
            engine="rail-int/2",
            sources={},
            licence="MIT",
        )
        return sign_statement(payload, self.key)


def post(client: httpx.Client, statement: bytes) -> httpx.Response:
    return client.post("/api/records", content=statement, headers={"Content-Type": "application/cose"})


def worker_of(arbiter: int) -> int:
    children = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text(encoding="ascii").split()
    return int(children[0])


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
