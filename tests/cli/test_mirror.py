"""`rail mirror`: a copy that a plain file server can serve to any client, whatever happens while it is made."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from ledger.keys import COSIGNATURE_V1, SigningKey
from ledger.log import Log
from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import LiveService, live_service
from tests.cli.test_audit_lies import entries_of, other_tree
from tests.ledger.log_samples import Run


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A log of more than a tile."""
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        run = Run()
        service.services.log.submit_many(run.registrations())
        service.services.log.submit_many([(statement, None) for statement, _ in run.generations(600)])
        yield service


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_mirror_is_the_log_for_any_client(here: Rail, live: LiveService, tmp_path: Path) -> None:
    log, copy = live.services.log, tmp_path / "copy"
    command = ("mirror", live.url, copy, "--log-key", log.vkey, "--home", tmp_path, "--json")
    done = here(*command)
    assert (done.code, done.json["verdict"], done.json["size"]) == (0, "mirrored", log.size())
    again = here(*command)
    assert (again.json["files_written"], again.json["repaired"]) == (0, 0)
    with files_served(copy) as url:
        backend = HttpBackend(url)
        reader = TilesReader(backend)
        head = reader.get_checkpoint()
        head.verify(Vkey.from_string(log.vkey))
        assert reader.calculate_root_hash() == head.root_hash == log.root()
        for index in (0, 255, 256, log.size() - 1):
            assert reader.get_entry(index) == log.entry(index).statement
        backend.session.close()
        audited = here("audit", url, "--log-key", log.vkey, "--sample", "0", "--home", tmp_path / "auditor", "--json")
        assert (audited.code, audited.json["checked"]) == (0, log.size())
        second = here("mirror", url, tmp_path / "second", "--log-key", log.vkey, "--home", tmp_path, "--json")
        assert second.json["size"] == log.size()
    assert files_in(tmp_path / "second") == files_in(copy)


def test_a_mirror_follows_and_drops_partial_tiles_that_are_full(here: Rail, live: LiveService, tmp_path: Path) -> None:
    log, copy = live.services.log, tmp_path / "copy"
    command = ("mirror", live.url, copy, "--log-key", log.vkey, "--home", tmp_path, "--json")
    assert here(*command).code == 0
    before = files_in(copy)
    run = Run("mirrored.test")
    log.submit_many(run.registrations())
    log.submit_many([(statement, None) for statement, _ in run.generations(300)])
    done = here(*command)
    assert done.json["size"] == log.size()
    after = files_in(copy)
    assert all(after[name] == data for name, data in before.items() if ".p/" not in name and name != "checkpoint")
    full = {name for name in after if ".p/" not in name}
    assert not any(name.split(".p/")[0] in full for name in after if ".p/" in name)
    assert done.json["files_written"] < len(after)


def test_an_interrupted_copy_goes_on(here: Rail, live: LiveService, tmp_path: Path) -> None:
    log, copy = live.services.log, tmp_path / "copy"
    command = ("mirror", live.url, copy, "--log-key", log.vkey, "--home", tmp_path, "--json")
    with live.lying("/tile/entries/001", lambda body: body[:-1]):
        broken = here(*command)
    assert (broken.code, broken.error) == (3, "bundle_length")
    have = files_in(copy)
    assert have
    assert "checkpoint" not in have
    done = here(*command)
    assert (done.code, done.json["files_kept"]) == (0, len(have))
    assert all(files_in(copy)[name] == data for name, data in have.items())


@pytest.mark.parametrize("name", ["tile/0/000", "tile/entries/001"])
def test_recheck_repairs_what_is_damaged(here: Rail, live: LiveService, tmp_path: Path, name: str) -> None:
    log, copy = live.services.log, tmp_path / "copy"
    command = ("mirror", live.url, copy, "--log-key", log.vkey, "--home", tmp_path, "--json")
    assert here(*command).code == 0
    good = (copy / name).read_bytes()
    for bad in (good[:-1], bytes([good[0] ^ 1]) + good[1:]):
        (copy / name).write_bytes(bad)
        assert here(*command).json["repaired"] == 0  # not read again
        assert here(*command, "--recheck").json["repaired"] == 1
        assert (copy / name).read_bytes() == good
    assert here(*command, "--recheck").json["repaired"] == 0


def test_lies_and_forks_leave_the_copy_as_it_was(here: Rail, live: LiveService, tmp_path: Path) -> None:
    log, copy = live.services.log, tmp_path / "copy"
    command = ("mirror", live.url, copy, "--log-key", log.vkey, "--home", tmp_path, "--json")
    assert here(*command).code == 0
    before = files_in(copy)
    lost = tmp_path / "lost"  # the client's memory is lost, the copy's checkpoint is still there
    short = entries_of(live)[:200]
    with other_tree(live, [*short[:-1], short[-2]]):
        done = here(*command[:5], "--home", lost, "--json")
    assert done.code == 3
    assert files_in(copy) == before
    with Log.create(f"sqlite:///{tmp_path / 'other.db'}", "other.test", SigningKey.generate("other.test")) as other:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "checkpoint").write_bytes(other.checkpoint())
    refused = here("mirror", live.url, tmp_path / "elsewhere", "--log-key", log.vkey, "--home", tmp_path, "--json")
    assert (refused.code, refused.error) == (2, "other_log")


def test_only_what_a_quorum_cosigned_is_copied(here: Rail, live: LiveService, tmp_path: Path) -> None:
    witness = SigningKey.generate("w.test", COSIGNATURE_V1)
    (tmp_path / "policy").write_text(f"witness w {witness.vkey}\nquorum w\n")
    done = here(
        "mirror", live.url, tmp_path / "copy", "--log-key", live.services.log.vkey,
        "--policy", tmp_path / "policy", "--home", tmp_path, "--json",
    )  # fmt: skip
    assert (done.code, done.error) == (2, "no_quorum")
    assert not (tmp_path / "copy").exists()
