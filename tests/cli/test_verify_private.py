"""`rail verify --private`: the verdict is made here, of buckets; the text is in no request."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import LiveService, live_service
from web.cli.demo_texts import UNRELATED


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        yield service


def output(live: LiveService, record_id: int) -> str:
    content = live.services.log.content(record_id)
    assert content is not None
    return content.output_text


def test_a_public_output_is_found(here: Rail, live: LiveService) -> None:
    record_id = min(live.public)
    pasted = f"{UNRELATED} {output(live, record_id)} {UNRELATED}"
    done = here("verify", "-", "--url", live.url, "--private", "--json", stdin=pasted.encode())
    assert (done.code, done.json["verdict"], done.json["layer"]) == (0, "excerpt", "fingerprint")
    assert record_id in {record["record_id"] for record in done.json["records"]}
    (first, *_) = done.json["spans"]
    assert pasted[first["start"] : first["end"]] in output(live, first["record_id"])
    assert done.json["asked"]["buckets"] >= 1
    shown = here("verify", "-", "--url", live.url, "--private", stdin=pasted.encode()).out
    assert "not the text" in shown


def test_a_text_of_nobody_and_a_short_one(here: Rail, live: LiveService) -> None:
    assert here("verify", UNRELATED, "--url", live.url, "--private", "--json").json["verdict"] == "none"
    short = here("verify", "-", "--url", live.url, "--private", "--json", stdin=b"one two")
    assert (short.code, short.json["reason_code"]) == (2, "too_short")


def test_without_a_service_there_is_nobody_to_keep_it_from(here: Rail) -> None:
    done = here("verify", UNRELATED, "--private", "--json")
    assert (done.code, done.error) == (2, "private_without_url")


def test_a_service_that_sends_nonsense_is_not_believed(here: Rail, live: LiveService) -> None:
    for path, lie in (
        ("/api/private", b'{"rules": "rail-match/0", "prefix_bits": 1}'),
        ("/api/private", b'{"rules": "rail-match/1", "prefix_bits": 99}'),
        ("/api/private/buckets/1/0", b"x" * 8192),
    ):
        with live.lying(path, lambda body, lie=lie: lie):
            done = here("verify", "-", "--url", live.url, "--private", "--json", stdin=(UNRELATED * 3).encode())
        assert (done.code, done.error) == (2, "bad_answer"), path
