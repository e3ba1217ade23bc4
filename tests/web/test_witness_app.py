"""The witness over HTTP, apart from the protocol's own cases (tests/ledger/test_witness_peers.py)."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ledger import checkpoint
from ledger.checkpoint import Checkpoint, open_witnessed
from ledger.keys import COSIGNATURE_V1, SigningKey
from ledger.merkle import EMPTY_ROOT
from ledger.witness import Witness
from ledger.witness.rates import Rates
from ledger.witness.request import REQUEST_BYTES_MAX, AddCheckpoint
from web.witness_app import create_witness_app

LOG = SigningKey.from_seed("log.test", b"l" * 32)
KEY = SigningKey.from_seed("witness.test", b"w" * 32, COSIGNATURE_V1)
EMPTY = checkpoint.sign(Checkpoint("log.test", 0, EMPTY_ROOT), [LOG])
BODY = AddCheckpoint(0, (), EMPTY).format()
LATEST = f"/{sha256(b'log.test').hexdigest()}/checkpoint"


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with Witness.open(tmp_path / "witness.db", [KEY], create=True) as witness:
        witness.add_log(LOG.verify_key)
        yield witness


@pytest.fixture
def client(witness: Witness) -> FlaskClient:
    return create_witness_app(witness).test_client()


def test_the_latest_checkpoint_is_served_with_both_lines(client: FlaskClient) -> None:
    assert client.get(LATEST).status_code == 404
    answer = client.post("/add-checkpoint", data=BODY)
    assert answer.status_code == 200
    served = client.get(LATEST)
    assert served.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert served.headers["Cache-Control"] == "no-store"
    assert served.data == EMPTY + answer.data
    assert len(open_witnessed(served.data, LOG.verify_key, [KEY.verify_key]).cosignatures) == 1


def test_other_paths_and_methods(client: FlaskClient) -> None:
    assert client.get("/add-checkpoint").status_code == 405
    assert "POST" in client.get("/add-checkpoint").headers["Allow"]
    for path in ("/nothing", "/checkpoint", LATEST.upper(), LATEST[:-1], LATEST.replace("/", "/0", 1)):
        assert client.get(path).status_code == 404, path
    assert client.get("/").text == KEY.vkey + "\n"
    assert client.get("/health").status_code == 200


def test_a_log_that_asks_too_often_is_429_and_hinders_no_other(tmp_path: Path) -> None:
    now = [1000.0]
    busy, calm = (SigningKey.from_seed(name, b"k" * 32) for name in ("busy.test", "calm.test"))
    bodies = [
        AddCheckpoint(0, (), checkpoint.sign(Checkpoint(key.name, 0, EMPTY_ROOT), [key])).format()
        for key in (busy, calm)
    ]
    with Witness.open(tmp_path / "witness.db", [KEY], create=True, rates=Rates(0.2, lambda: now[0])) as witness:
        for key in (busy, calm):
            witness.add_log(key.verify_key)
        client = create_witness_app(witness).test_client()
        assert {client.post("/add-checkpoint", data=b"old 0\n\nnonsense").status_code for _ in range(9)} == {400}
        assert [client.post("/add-checkpoint", data=bodies[0]).status_code for _ in range(3)] == [200, 200, 429]
        refused = client.post("/add-checkpoint", data=bodies[0])
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5") and "witness_rate" in refused.text
        assert client.post("/add-checkpoint", data=bodies[1]).status_code == 200
        now[0] -= 3600  # the clock goes back: no more, and no less
        assert client.post("/add-checkpoint", data=bodies[0]).status_code == 429
        now[0] += 5
        assert client.post("/add-checkpoint", data=bodies[0]).status_code == 200
        now[0] += 1e9  # far ahead: a full bucket, no more
        assert [client.post("/add-checkpoint", data=bodies[0]).status_code for _ in range(3)] == [200, 200, 429]


def test_a_body_over_the_limit_is_not_read(client: FlaskClient) -> None:
    assert client.post("/add-checkpoint", data=b"x" * (REQUEST_BYTES_MAX + 1)).status_code == 413
    assert client.post("/add-checkpoint", data=b"x" * REQUEST_BYTES_MAX).status_code == 400


def test_a_database_that_fails_is_503_and_nothing_is_cosigned(
    client: FlaskClient, witness: Witness, tmp_path: Path
) -> None:
    witness.close()
    moved = tmp_path / "witness.db"
    moved.rename(tmp_path / "elsewhere")
    answer = client.post("/add-checkpoint", data=BODY)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert "—" not in answer.text
    (tmp_path / "elsewhere").rename(moved)
    assert client.post("/add-checkpoint", data=BODY).status_code == 200
