"""`rail operator` and `rail submit`: a log run by one party and written by another."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.keys import SigningKey, operator_id
from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import LiveService, live_service
from tests.ledger.log_samples import Run
from web.retention import erase_overdue
from web.submitters import Limits, Submitters


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        yield service


def test_the_host_invites_and_the_guest_registers_submits_rotates_and_revokes(
    here: Rail, live: LiveService, tmp_path: Path
) -> None:
    home, key, following = live.services.settings.home, tmp_path / "my.key", tmp_path / "next.key"
    names = ("--name", "A guest", "--contact", "mail@guest.test", "--json")
    assert here("operator", "policy", "invited", "--home", home, "--json").json["policy"] == "invited"
    uninvited = here("operator", "register", live.url, "--key", key, *names)
    assert (uninvited.code, uninvited.error) == (2, "invitation_needed")
    code = here("operator", "invite", "--home", home, "--json").json["code"]
    assert code not in (home / "submitters.json").read_text()
    registered = here("operator", "register", live.url, "--key", key, *names, "--invitation", code).json
    assert key.stat().st_mode & 0o777 == 0o600
    guest = registered["operator"]

    run = Run()
    run.key, run.counter, run.time = SigningKey.load(key), 1, int(time.time())
    files = [tmp_path / f"{number}.cose" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(run.sign(run.model(name=f"model {number}")))
    one = here("submit", live.url, files[0], "--json").json["records"]
    many = here("submit", live.url, *files, "--json").json["records"]
    assert many[0]["record_id"] == one[0]["record_id"] and len(many) == 3
    files[0].write_bytes(b"no statement")
    assert here("submit", live.url, files[0], "--json").error == "cose_tag"

    shown = here("operator", "show", guest, "--home", home, "--json").json
    assert (shown["name"], shown["statements"], shown["missing"]) == ("A guest", 4, 0)
    assert here("operator", "rotate", live.url, "--key", key, "--next", following, "--json").code == 0
    heir = operator_id(SigningKey.load(following).public).hex()
    listed = {row["operator"]: row for row in here("operator", "list", "--home", home, "--json").json["operators"]}
    assert listed[guest]["ended_by"] is not None and listed[heir]["standing"] == "listed"
    assert here("operator", "revoke", live.url, "--key", following, "--json").json["operator"] == heir
    assert here("operator", "revoke", live.url, "--key", following, "--json").error == "operator_ended"
    for command in ("list", "policy"):
        assert "invited" in here("operator", command, "--home", home).out
    assert re.search("A guest", here("operator", "show", guest, "--home", home).out)


def test_decisions_are_kept(here: Rail, tmp_path: Path) -> None:
    home, name = tmp_path / "home", "ab" * 32
    assert here("operator", "deny", name, "--home", home).code == 0
    assert here("operator", "limit", name, "--per-minute", "5", "--home", home, "--json").json["limits"] == {
        "per_minute": 5,
        "statements": None,
        "keep_days": None,
    }
    assert here("operator", "limit", "default", "--keep-days", "30", "--home", home).code == 0
    assert here("operator", "allow", name, "--home", home, "--json").json["standing"] == "listed"
    kept = (home / "submitters.json").read_text()
    assert '"keep_days": 30' in kept and '"per_minute": 5' in kept
    assert here("operator", "allow", "nobody", "--home", home, "--json").error == "invalid_operator_id"


def test_content_is_erased_after_its_operators_days(live: LiveService) -> None:
    services = live.services
    run = Run("retention.example")
    services.log.submit_many(run.registrations())
    mine = [entry.index for entry in services.log.submit_many(run.generations(2))]
    other = live.generate(1)
    submitters = Submitters().with_operator(run.id.hex(), limits=Limits(keep_days=30))
    now = int(time.time())

    def erase(submitters: Submitters, days: int) -> list[int]:
        key = services.operator_key
        return erase_overdue(services.log, services.index, submitters, key, now + days * 86_400)

    assert erase(Submitters(), 31) == erase(submitters, 0) == erase(submitters, -10_000) == []
    assert erase(submitters, 31) == mine
    assert all(services.log.is_erased(index) for index in mine) and services.log.content(other) is not None
    assert erase(submitters, 31) == []
    assert services.log.fsck().ok


def test_a_clock_far_ahead_erases_nothing_by_itself(
    here: Rail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    record = here("generate", "once", "--max-tokens", "4", "--home", home, "--json").json["record_id"]
    assert here("operator", "limit", "default", "--keep-days", "50", "--home", home).code == 0
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + 20 * 86_400)
    assert here("operator", "retain", "--home", home, "--json").json["erased"] == []
    monkeypatch.setattr(time, "time", lambda: true_time() + 60 * 86_400)  # 40 days since the last run
    assert here("operator", "retain", "--home", home, "--json").error == "clock_ahead"
    done = here("operator", "retain", "--clock-is-right", "--home", home, "--json")
    assert done.json["erased"] == [record]
