"""The log of real services: JSON lines about everything that happened, and not a word of what was sent."""

import json
import signal
import socket
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli import test_witness_command as witness_command
from tests.cli.conftest import Machine, Rail
from tests.cli.test_serve import START_SECONDS, STOP_SECONDS, Operator, post, serving

SECRET = "XyzzyPlugh"  # in every place where a client can put something
KEY = sha256(SECRET.encode()).hexdigest()


def stopped(process: subprocess.Popen[str]) -> tuple[str, list[dict[str, Any]]]:
    """What the service wrote to stderr, as text and as events."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0
    assert process.stderr is not None
    text = process.stderr.read()
    return text, [json.loads(line) for line in text.splitlines()]


def send_raw(url: str, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=START_SECONDS) as client:
        client.sendall(data)
        return client.recv(1 << 16)


@pytest.mark.timeout(START_SECONDS + STOP_SECONDS)
def test_every_request_is_a_line_and_nothing_that_was_sent_is_in_it(machine: Machine, tmp_path: Path) -> None:
    operator = Operator(f"{SECRET}@secret.test")
    with serving(machine, tmp_path / "home", "--log-format", "json") as (process, facts):
        headers = {"Authorization": f"Bearer {SECRET}", "Rail-Invitation": SECRET, "X-Request-Id": "proxy-1"}
        with httpx.Client(base_url=facts["url"], headers=headers, timeout=START_SECONDS) as client:
            assert client.post("/api/verify", json={"text": f"a text with {SECRET} in it"}).status_code == 200
            assert client.post("/api/verify", json={"text": 1, SECRET: SECRET}).status_code == 400
            body = {"model": "wordy", "prompt": SECRET, "seed": 1, "max_tokens": 2}
            made = client.post("/v1/completions", json=body).json()["rail"]["record_id"]
            with client.stream("POST", "/v1/completions", json=body | {"stream": True}) as stream:
                stream.read()
            assert client.get(f"/api/records/{made}/receipt?key={KEY}", headers={"X-Request-Id": f"{SECRET} !"})
            assert client.get(f"/{SECRET}?text={SECRET}").status_code == 404
            assert client.request(SECRET.upper(), "/health").status_code == 405
            logged = post(client, operator.registration()).json()["record_id"]
        for data in (f"GET /?text={SECRET} HTTP/9.9", f"{SECRET} / HTTP/1.1", f"GET / HTTP/1.1\r\n{SECRET} : 1"):
            assert send_raw(facts["url"], f"{data}\r\n\r\n".encode()).startswith(b"HTTP/1.1 4")
        text, events = stopped(process)
    assert SECRET.lower() not in text.lower() and KEY not in text
    requests = [event for event in events if event["event"] == "request"]
    names = {
        "time",
        "level",
        "event",
        "request_id",
        "method",
        "route",
        "status",
        "code",
        "duration_ms",
        "bytes",
        "leaf_index",
    }
    assert all(event.keys() == names for event in requests)
    seen = [(event["method"], event["route"], event["status"], event["leaf_index"]) for event in requests]
    assert seen[:8] == [
        ("POST", "/api/verify", 200, None),
        ("POST", "/api/verify", 400, None),
        ("POST", "/v1/completions", 200, made),
        ("POST", "/v1/completions", 200, made + 1),
        ("GET", "/api/records/<record>/receipt", 200, made),
        ("GET", None, 404, None),
        ("other", None, 405, None),
        ("POST", "/api/records", 201, logged),
    ]
    assert requests[0]["request_id"] == "proxy-1" and len(requests[4]["request_id"]) == 16
    assert all(event["duration_ms"] > 0 and event["bytes"] > 0 for event in requests[:8])
    assert {event["event"] for event in events} == {"request", "bad_request"}


@pytest.mark.timeout(START_SECONDS + STOP_SECONDS)
def test_a_witness_logs_alike(machine: Machine, here: Rail, tmp_path: Path) -> None:
    assert here("witness", "init", "--name", "witness.test/w", "--home", tmp_path).code == 0
    with witness_command.serving(machine, tmp_path, "--log-format", "json") as (process, url):
        assert httpx.post(f"{url}/add-checkpoint?key={SECRET}", content=SECRET).status_code == 400
        text, (event,) = stopped(process)
    assert SECRET not in text
    assert (event["event"], event["route"], event["status"]) == ("request", "/add-checkpoint", 400)
