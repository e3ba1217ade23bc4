"""`rail log hammer`: what it says of an honest service and of one that lies."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import LiveService, live_service


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        yield service


@pytest.mark.parametrize("batch", ["1", "25"])
def test_an_honest_log_holds(here: Rail, live: LiveService, batch: str) -> None:
    before = live.services.log.size()
    arguments = ("--statements", "60", "--writers", "6", "--readers", "2", "--batch", batch, "--json")
    done = here("log", "hammer", live.url, *arguments)
    assert done.code == 0, done.out
    blow = done.json
    assert (blow["verdict"], blow["acknowledged"], blow["given_up"], blow["faults"]) == ("ok", 60, 0, [])
    assert blow["size"] == live.services.log.size() == before + 61  # and its registration
    assert blow["inclusion_checks"] >= 60 and blow["checkpoints"] >= 1
    assert 0 < blow["p50_ms"] <= blow["p99_ms"] <= blow["max_ms"]
    assert live.services.log.fsck().ok


def test_a_checkpoint_that_does_not_hold_is_a_broken_promise(here: Rail, live: LiveService) -> None:
    with live.lying("/checkpoint", lambda body: body.replace(b"\n\n", b"A\n\n", 1)):
        done = here("log", "hammer", live.url, "--statements", "5", "--readers", "0")
    assert done.code == 3 and "broken" in done.out


def test_an_old_checkpoint_lacks_what_was_acknowledged(
    here: Rail, live: LiveService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.hammer.readers.PUBLISHED_SECONDS", 0.2)
    old = live.services.log.checkpoint()
    with live.lying("/checkpoint", lambda body: old):
        done = here("log", "hammer", live.url, "--statements", "5", "--json")
    assert done.code == 3 and "is not in the tree of size" in done.json["faults"][0]


def test_nothing_acknowledged_is_not_checked(here: Rail, live: LiveService) -> None:
    assert here("operator", "limit", "default", "--statements", "1", "--home", live.services.settings.home).code == 0
    done = here("log", "hammer", live.url, "--statements", "1", "--readers", "0", "--json")
    live.services.settings.submitters.unlink()
    assert done.code == 2 and done.json["errors"] == {"quota_exceeded": 5}
    assert here("log", "hammer", "http://127.0.0.1:9", "--json").error == "unreachable"
