"""The whole of it as a stranger would run it: a witness, a service that it cosigns, a holder, a mirror, a monitor."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.keys import VerifyKey
from ledger.policy import open_by_policy, parse_policy
from ledger.receipt import Receipt
from tests.cli.conftest import Machine, Rail
from tests.cli.test_serve import free_port

WAIT_SECONDS = 60


@contextmanager
def started(machine: Machine, *arguments: str | Path) -> Iterator[dict[str, Any]]:
    """What a serving command announced as JSON; it is ended with the block."""
    command = [sys.executable, "-m", "web.cli", *map(str, arguments), "--json"]
    process = subprocess.Popen(
        command, env=machine.environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline()]
        while lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], f"{arguments[0]} ended before it was ready"
        yield json.loads("".join(lines))
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.timeout(240)
def test_from_a_witness_to_a_monitor(machine: Machine, here: Rail, tmp_path: Path) -> None:
    assert here("witness", "init", "--name", "w.test/one", "--home", tmp_path / "w").code == 0
    with started(machine, "witness", "serve", "--home", tmp_path / "w", "--port", str(free_port())) as witness:
        policy = tmp_path / "policy"
        policy.write_text(f"witness w {witness['vkeys'][0]} {witness['url']}\nquorum w\n")
        service = ("serve", "--home", tmp_path / "s", "--port", str(free_port()), "--policy", policy)
        with started(machine, *service) as serving:
            url, vkey = serving["url"], serving["log_vkey"]
            strict = ("--log-key", vkey, "--policy", policy, "--home", tmp_path / "holder", "--json")
            body = {"model": "wordy", "prompt": "once upon a time", "seed": 1, "max_tokens": 8}
            answer = httpx.post(f"{url}/v1/completions", json=body, timeout=60).json()["rail"]
            receipt = tmp_path / "receipt.json"
            receipt.write_bytes(httpx.get(url + answer["receipt_url"]).content)
            assert here("verify", receipt, "--log-key", vkey, "--home", tmp_path / "holder").code == 0
            assert here("verify", receipt, *strict).code == 3  # the witness does not know the log yet
            assert here("receipt", "upgrade", receipt, "--url", url, *strict).code == 1
            assert here("mirror", url, tmp_path / "mirror", *strict).error == "no_quorum"
            told = here("monitor", url, "--once", *strict)
            assert (told.code, told.json["events"][0]["kind"]) == (1, "quorum_lost")

            assert here("witness", "add-log", vkey, "--home", tmp_path / "w").code == 0
            give_up = time.monotonic() + WAIT_SECONDS
            while here("receipt", "upgrade", receipt, "--url", url, *strict).code != 0:
                assert time.monotonic() < give_up, "the witness did not cosign in time"
                time.sleep(0.5)
            offline = here("verify", receipt, *strict)
            assert (offline.code, offline.json["witnesses"]["witnesses"]) == (0, ["w.test/one"])
            assert here("mirror", url, tmp_path / "mirror", *strict).code == 0
            exported = here("log", "export", tmp_path / "files", "--home", tmp_path / "s", "--policy", policy, "--json")
            assert exported.code == 0
            note = (tmp_path / "files" / "checkpoint").read_bytes()
            assert open_by_policy(note, parse_policy(policy.read_bytes()), VerifyKey.parse(vkey)).cosignatures
            recovered = here("monitor", url, "--once", *strict)
            assert [event["kind"] for event in recovered.json["events"]] == ["recovered"]
            held = Receipt.from_json(receipt.read_bytes()).proof.checkpoint
            assert held.split(b"\n\n")[0] == (tmp_path / "mirror" / "checkpoint").read_bytes().split(b"\n\n")[0]
