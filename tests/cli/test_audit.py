"""`rail audit` against an honest service."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import SignatureInvalid
from ledger.statement import ReplayStatement, open_statement
from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import LiveService, live_service
from web.audit.confidence import upper_bound_95
from web.audit.report import check_report


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        yield service


def test_a_first_audit_checks_every_entry_and_replays_every_public_run(
    rail: Rail, live: LiveService, tmp_path: Path
) -> None:
    done = rail("audit", live.url, "--home", tmp_path, "--json")
    assert done.code == 0, done.out + done.err
    answer = done.json
    assert (answer["verdict"], answer["checked"]) == ("ok", live.services.log.size())
    assert (answer["replayed"], answer["mismatches"]) == (len(live.public), 0)
    assert answer["upper_bound_95"] == upper_bound_95(len(live.public), 0)
    assert {row["record_id"] for row in answer["replays"]} == live.public
    assert answer["sampling"]["not_public"] == 2
    assert "taken on trust and pinned" in done.err
    assert live.services.log.vkey in done.err


def test_the_table_and_the_confidence_are_for_people_too(here: Rail, live: LiveService, tmp_path: Path) -> None:
    done = here("audit", live.url, "--home", tmp_path, "--sample", "3")
    assert done.code == 0
    assert len(re.findall(r"^ +\d+ .* match$", done.out, re.MULTILINE)) == 3
    assert f"with 95 % confidence at most {upper_bound_95(3, 0):.2%}" in done.out
    assert done.out.rstrip().splitlines()[-1].startswith("✓ ok: ")


def test_the_next_audit_goes_on_where_the_last_one_ended(here: Rail, live: LiveService, tmp_path: Path) -> None:
    first = here("audit", live.url, "--home", tmp_path, "--sample", "0", "--json").json
    assert (first["replayed"], first["upper_bound_95"]) == (0, 1.0)
    again = here("audit", live.url, "--home", tmp_path, "--sample", "0", "--json")
    assert again.json["checked"] == 0
    assert again.json["entries"] == {"from": first["entries"]["to"], "to": first["entries"]["to"]}
    assert "trust" not in again.err
    new = live.generate(99)
    later = here("audit", live.url, "--home", tmp_path, "--since", str(new), "--json").json
    assert later["checked"] == 1
    assert [row["record_id"] for row in later["replays"]] == [new]


def test_the_state_is_private_and_holds_what_was_seen(here: Rail, live: LiveService, tmp_path: Path) -> None:
    state = tmp_path / "sub" / "state.json"
    arguments = ("--state", state, "--sample", "0", "--home", tmp_path, "--log-key", live.services.log.vkey)
    done = here("audit", live.url, *arguments)
    assert done.err == ""  # a key that was given is not taken on trust
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    value = json.loads(state.read_text(encoding="utf-8"))
    assert value["checkpoint"].encode() == live.services.log.checkpoint()
    assert value["log_vkey"] == live.services.log.vkey


def test_the_seed_draws_the_same_sample_again(here: Rail, live: LiveService, tmp_path: Path) -> None:
    arguments = ("audit", live.url, "--home", tmp_path, "--sample", "2", "--seed", "11", "--json")
    first, again = here(*arguments).json, here(*arguments).json
    assert first["replays"] == again["replays"]
    assert first["sampling"] == again["sampling"]


def test_the_report_is_signed_and_its_page_stands_alone(here: Rail, live: LiveService, tmp_path: Path) -> None:
    answer = here("audit", live.url, "--home", tmp_path, "--report", tmp_path / "out", "--json").json
    data = Path(answer["report_json"]).read_bytes()
    body = check_report(data)
    assert body["verdict"] == "ok"
    assert body["upper_bound_95"] == f"{answer['upper_bound_95']:.6f}"
    with pytest.raises(SignatureInvalid):
        check_report(data.replace(b'"replayed": ', b'"replayed": 1'))
    page = Path(answer["report_html"]).read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|<script|url\(", page)
    assert live.services.log.origin in page
    assert page.count("✓ same bits") == answer["replayed"]


def test_published_verdicts_are_in_the_log_under_the_auditors_key(
    here: Rail, live: LiveService, tmp_path: Path
) -> None:
    key = tmp_path / "auditor.key"
    arguments = ("audit", live.url, "--home", tmp_path, "--sample", "2", "--publish", "--key", key, "--json")
    first = here(*arguments)
    assert first.code == 0, first.out
    published = first.json["published"]
    assert len(published) == 2
    for record_id, row in zip(published, first.json["replays"], strict=True):
        statement = open_statement(live.services.log.entry(record_id).statement)
        assert isinstance(statement.payload, ReplayStatement)
        assert (statement.payload.verdict, statement.payload.entry_index) == ("match", row["record_id"])
        assert live.services.log.operator(statement.operator) is not None
    again = here(*arguments)  # registered already: counters go on
    assert again.code == 0, again.out
    assert again.json["remarks"] == []
    assert again.json["checked"] == 3  # the auditor's registration and its two verdicts


def test_nothing_public_to_replay_is_not_a_pass(here: Rail, live: LiveService, tmp_path: Path) -> None:
    end = str(live.services.log.size())
    done = here("audit", live.url, "--home", tmp_path, "--since", end, "--json")
    assert (done.code, done.json["verdict"]) == (2, "unchecked")


@pytest.mark.parametrize(
    ("url", "code"), [("rail.example", "bad_url"), ("http://127.0.0.1:9", "unreachable")], ids=["no-url", "no-server"]
)
def test_a_service_that_cannot_be_asked(here: Rail, tmp_path: Path, url: str, code: str) -> None:
    done = here("audit", url, "--home", tmp_path, "--json")
    assert (done.code, done.error) == (2, code)


def test_a_damaged_state_is_not_taken_for_a_first_audit(here: Rail, live: LiveService, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{}", encoding="utf-8")
    done = here("audit", live.url, "--home", tmp_path, "--state", state, "--json")
    assert (done.code, done.error) == (2, "state_unreadable")


def test_another_key_than_the_pinned_one_is_not_taken_silently(here: Rail, live: LiveService, tmp_path: Path) -> None:
    assert here("audit", live.url, "--home", tmp_path, "--sample", "0").code == 0
    other = "rail.example/log1+7fd7bc70+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    done = here("audit", live.url, "--home", tmp_path, "--log-key", other, "--json")
    assert (done.code, done.error) == (2, "log_key_conflict")
    done = here("audit", live.url, "--home", tmp_path, "--log-key", "foo", "--json")
    assert (done.code, done.error) == (2, "vkey_format")
    assert "is not a vkey" in done.err


def test_verify_asks_a_service_with_url(here: Rail, live: LiveService) -> None:
    text = live.services.log.content(2)
    assert text is not None
    done = here("verify", "-", "--url", live.url, "--json", stdin=text.output_bytes)
    assert (done.code, done.json["verdict"]) == (0, "exact")
    assert here("verify", "-", "--url", live.url, stdin=b"words " * 30).code == 1
