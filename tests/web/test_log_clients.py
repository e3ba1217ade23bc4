"""Independent clients verify our log as it is served, over HTTP and cosigned, at the sizes where tiles turn."""

import os
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import metamorphic_log
import pytest
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet

from ledger.keys import COSIGNATURE_V1, SigningKey
from ledger.log import Log
from ledger.merkle import leaf_hash
from ledger.policy import parse_policy
from ledger.witness import Witness
from tests.ledger.aics import aics_python
from tests.ledger.filled_log import fill
from tests.web.conftest import served
from web import create_app
from web.feeder import Feeder
from web.publication import Publication
from web.services import Services
from web.witness_app import create_witness_app

CLIENTS = Path(__file__).resolve().parent / "clients"
GOCODE = Path("/usr/share/gocode")  # where Debian keeps Go packages
KEY = SigningKey.from_seed("growing.test/log", b"g" * 32)
WITNESS_KEY = SigningKey.from_seed("witness.test/w", b"w" * 32, COSIGNATURE_V1)
WAIT_SECONDS = 30
SIZES = (1, 2, 255, 256, 257, 65_537)

pytestmark = pytest.mark.xdist_group("log_clients")


@dataclass
class Growing:
    """A log with a witness behind real servers, and what its checkpoints were."""

    log: Log
    url: str
    publication: Publication
    notes: dict[int, bytes] = field(default_factory=dict)  # cosigned, by size
    roots: dict[int, bytes] = field(default_factory=dict)

    def grow(self, size: int) -> None:
        if self.log.size() < size:
            fill(self.log, size, KEY)
        give_up = time.monotonic() + WAIT_SECONDS
        while size not in self.notes:
            assert time.monotonic() < give_up, "the witness did not cosign in time"
            assert self.publication.cosigned is not None
            witnessed = self.publication.cosigned.witnessed(size)
            if witnessed is not None and witnessed.size == size:
                self.notes[size], self.roots[size] = witnessed.note, witnessed.root
            time.sleep(0.02)

    def indexes(self, size: int) -> list[int]:
        return sorted({0, size // 2, size - 1, *({255, 256, 65_535} & set(range(size)))})

    def older(self, size: int) -> list[str]:
        """Arguments SIZE:ROOT of all smaller trees."""
        return [f"{old}:{b64encode(root).decode()}" for old, root in self.roots.items() if old < size]


@pytest.fixture(scope="module")
def growing(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Growing]:
    folder = tmp_path_factory.mktemp("growing")
    with (
        Log.create(f"sqlite:///{folder / 'log.db'}", KEY.name, KEY) as log,
        Witness.open(folder / "witness.db", [WITNESS_KEY], create=True) as witness,
        served(create_witness_app(witness)) as witness_url,  # type: ignore[arg-type]
    ):
        witness.add_log(log.key)
        policy = parse_policy(f"witness w {WITNESS_KEY.vkey} {witness_url}\nquorum w\n".encode())
        publication = Publication(log, policy)
        assert publication.cosigned is not None
        feeder = Feeder(log, policy, publication.cosigned)
        feeder.start()
        with served(create_app(replace(services, log=log, publication=publication))) as url:
            yield Growing(log, url, publication)
        feeder.close()


@pytest.fixture(scope="module")
def go_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled from Debian's packages; RAIL_REQUIRE_TOOLS=1 makes their absence a failure instead of a skip."""
    go = shutil.which("go")
    if go is None or not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        reason = "no Go with golang.org/x/mod: apt install golang-go golang-golang-x-mod-dev"
        if os.environ.get("RAIL_REQUIRE_TOOLS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    program = tmp_path_factory.mktemp("go") / "client"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOCODE), "GOFLAGS": ""}
    source = str(CLIENTS / "main.go")
    subprocess.run([go, "build", "-o", str(program), source], check=True, env=environment, timeout=240)
    return program


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def expected(growing: Growing, size: int) -> str:
    return f"{KEY.name} {size} {b64encode(growing.roots[size]).decode()}"


@pytest.fixture(scope="module", params=SIZES)
def size(request: pytest.FixtureRequest, growing: Growing) -> int:
    """The size that the log has now. All tests of one size run before it grows to the next."""
    growing.grow(request.param)
    return int(request.param)


def test_tlog_scales(growing: Growing, size: int) -> None:
    backend = HttpBackend(growing.url)
    reader = TilesReader(backend)
    head = reader.get_checkpoint()
    assert (
        len(VkeySet(Vkey.from_string(KEY.vkey), Vkey.from_string(WITNESS_KEY.vkey)).verify(head.signatures, head)) == 2
    )
    assert (head.size, head.root_hash) == (size, growing.roots[size])
    assert reader.calculate_root_hash() == head.root_hash
    for index in growing.indexes(size):
        entry = growing.log.entry_bundle(index // 256, min(256, size - index // 256 * 256))
        assert reader.get_entry(index) in entry
        reader.get_inclusion_proof(index, size).check(leaf_hash(reader.get_entry(index)), head.root_hash)
    for old, root in growing.roots.items():
        if old < size:
            reader.get_consistency_proof(old, size).check(root, head.root_hash)
    backend.session.close()


def test_metamorphic_log(growing: Growing, size: int) -> None:
    note, keys = growing.notes[size].decode(), [KEY.vkey]
    head = metamorphic_log.checkpoint_verify(note, keys)
    assert (head.origin, head.size) == (KEY.name, size)
    for index in growing.indexes(size):
        proof, leaf = growing.log.prove_inclusion(index, size), leaf_hash(b"entry %d" % index)
        metamorphic_log.checkpoint_verify_inclusion(note, keys, index, leaf, proof)
        with pytest.raises(metamorphic_log.VerifyError):
            metamorphic_log.checkpoint_verify_inclusion(note, keys, index, bytes(32), proof)
    for old in growing.roots:
        if old < size:
            proof = growing.log.prove_consistency(old, size)
            metamorphic_log.checkpoint_verify_consistency(growing.notes[old].decode(), note, keys, proof)


def test_go_checksum_database(growing: Growing, size: int, go_client: Path) -> None:
    indexes = ",".join(map(str, growing.indexes(size)))
    assert run(str(go_client), growing.url, KEY.vkey, indexes, *growing.older(size)) == expected(growing, size)


def test_aics_tlog(growing: Growing, size: int) -> None:
    client = [aics_python(), str(CLIENTS / "aics_client.py"), growing.url, KEY.vkey, WITNESS_KEY.vkey]
    indexes = ",".join(map(str, growing.indexes(size)))
    assert run(*client, indexes, *growing.older(size)) == expected(growing, size)


def test_go_refuses_a_log_with_another_key(growing: Growing, size: int, go_client: Path) -> None:
    other = SigningKey.from_seed(KEY.name, b"o" * 32)
    done = subprocess.run([str(go_client), growing.url, other.vkey, "0"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "note has no verifiable signatures" in done.stderr
