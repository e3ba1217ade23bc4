"""`rail witness`: made, told of a log, served as a real process, killed, and served again."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from ledger import checkpoint
from ledger.checkpoint import Checkpoint, open_witnessed
from ledger.keys import SigningKey, VerifyKey
from ledger.merkle import leaf_hash
from ledger.witness.request import AddCheckpoint
from tests.cli.conftest import Machine, Rail
from tests.cli.test_serve import free_port

LOG = SigningKey.from_seed("log.test/one", b"l" * 32)
HASH = sha256(b"log.test/one").hexdigest()


def head(*entries: bytes) -> bytes:
    assert len(entries) == 1
    return checkpoint.sign(Checkpoint(LOG.name, 1, leaf_hash(entries[0])), [LOG])


@contextmanager
def serving(machine: Machine, home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "web.cli", "witness", "serve", "--port", str(free_port()), "--json"]
    process = subprocess.Popen(
        [*command, "--home", str(home), *options],
        env=machine.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline()]
        while lines[-1] != "}\n":
            lines.append(process.stdout.readline())
            assert lines[-1], "the witness ended before it was ready"
        yield process, str(json.loads("".join(lines))["url"])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.timeout(120)
def test_a_witness_keeps_its_word_over_a_kill(machine: Machine, here: Rail, tmp_path: Path) -> None:
    assert here("witness", "info", "--home", tmp_path, "--json").error == "no_witness"
    made = here("witness", "init", "--name", "witness.test/w", "--home", tmp_path, "--json")
    assert made.code == 0, made.err
    (vkey,) = made.json["vkeys"]
    for file in ("witness.key", "witness.db"):
        assert stat.S_IMODE((tmp_path / "witness" / file).stat().st_mode) == 0o600
    again = here("witness", "init", "--name", "witness.test/w", "--home", tmp_path, "--json")
    assert again.error == "witness_exists"
    with serving(machine, tmp_path) as (process, url):
        body = AddCheckpoint(0, (), head(b"a")).format()
        assert httpx.post(f"{url}/add-checkpoint", content=body).status_code == 404
        added = here("witness", "add-log", LOG.vkey, "--home", tmp_path, "--json")
        assert (added.code, added.json["verdict"]) == (0, "added")
        assert httpx.post(f"{url}/add-checkpoint", content=body).status_code == 200
        note = httpx.get(f"{url}/{HASH}/checkpoint").content
        assert len(open_witnessed(note, LOG.verify_key, [VerifyKey.parse(vkey)]).cosignatures) == 1
        process.send_signal(signal.SIGKILL)
        process.wait()
    with serving(machine, tmp_path) as (process, url):
        assert httpx.get(f"{url}/{HASH}/checkpoint").content == note
        assert httpx.post(f"{url}/add-checkpoint", content=body).status_code == 409
        fork = AddCheckpoint(1, (), head(b"b")).format()
        assert httpx.post(f"{url}/add-checkpoint", content=fork).status_code == 422
        info = here("witness", "info", "--home", tmp_path, "--json")
        assert (info.code, info.json["logs"][0]["size"], info.json["logs"][0]["refused"]) == (3, 1, 1)
        kept = here("witness", "evidence", "--home", tmp_path, "--json")
        assert (kept.code, [item["origin"] for item in kept.json["evidence"]]) == (3, [LOG.name])
        assert kept.json["evidence"][0]["refused"].encode() == head(b"b")
        assert kept.json["evidence"][0]["known"].encode() == note
        assert "contradiction" in here("witness", "evidence", LOG.name, "--home", tmp_path).out
        assert here("witness", "evidence", "other.test", "--home", tmp_path, "--json").code == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert "contradict" in here("witness", "info", "--home", tmp_path).out
    assert here("witness", "remove-log", LOG.name, "--home", tmp_path).code == 0
    assert here("witness", "remove-log", LOG.name, "--home", tmp_path, "--json").error == "witness_origin"


def test_two_keys_on_request(here: Rail, tmp_path: Path) -> None:
    from ledger import ml_dsa

    if not ml_dsa.available():
        pytest.skip("this installation of cryptography has no ML-DSA-44")
    made = here("witness", "init", "--name", "witness.test/w", "--ml-dsa", "--home", tmp_path, "--json")
    assert [VerifyKey.parse(vkey).algorithm for vkey in made.json["vkeys"]] == [4, 6]
    assert here("witness", "info", "--home", tmp_path, "--json").json["vkeys"] == made.json["vkeys"]
