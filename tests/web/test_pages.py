"""The pages without a browser: status, policy, escaping, twins and static files. tests/e2e drives them in Chromium."""

import re

import pytest
from flask.testing import FlaskClient

from inference.sampling import SamplingParams
from ledger.log import Entry
from web.assets import MEDIA_TYPES, STATIC, load_assets
from web.assurance import assurance_words
from web.growth import Point, curve
from web.page_filters import megabytes, micro, permille, sentence
from web.present import rfc3339
from web.services import Services

HOSTILE = "<script>alert(1)</script> & \"quoted\" 'text' {{ 7 * 7 }}"
PATHS = ("/", "/verify", "/records", "/records/0", "/models", "/log", "/audits")
TWINS = ("/records", "/records/0", "/models", "/log", "/audits")
BROWSER = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def hostile(services: Services) -> Entry:
    """A public run whose prompt is full of markup."""
    return services.generation.run(HOSTILE, SamplingParams(max_tokens=4)).entry


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_html_under_a_policy_that_forbids_inline_code(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers=BROWSER)
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.text.startswith("<!doctype html>")
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", response.text)
    assert not re.findall(r"(?:src|href)=\"(?![/#])", response.text)


@pytest.mark.parametrize("path", TWINS)
def test_every_page_names_its_json_twin(client: FlaskClient, path: str) -> None:
    twin = client.get(f"{path}.json")
    assert twin.status_code == 200
    assert twin.mimetype == "application/json"
    assert f'type="application/json" href="{path}.json"' in client.get(path).text


def test_markup_in_a_prompt_is_shown_as_text(client: FlaskClient, hostile: Entry) -> None:
    page = client.get(f"/records/{hostile.index}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in page
    assert client.get(f"/records/{hostile.index}.json").get_json()["content"]["prompt"] == HOSTILE


def test_a_record_says_what_only_its_operator_states(client: FlaskClient, hostile: Entry) -> None:
    found = client.get(f"/records/{hostile.index}.json").get_json()
    assert (found["assurance"], found["logged"]) == ("replayable", rfc3339(hostile.logged))
    page = client.get(f"/records/{hostile.index}").text
    for words in ("First registered", "by the log’s clock", "time stated by the operator"):
        assert words in page
    assert "Stated by the operator: replayable: made by the rail-int/2 engine" in page
    assert "Stated by the operator: none of the output repeats the prompt" in page


@pytest.mark.parametrize(
    ("assurance", "replays", "words"),
    [
        ("attested", (), "attested: the operator's word only, cannot be replayed"),
        ("replayable", ("mismatch",), "no published replay has matched"),
        ("replayable", ("mismatch", "match"), "a published replay matched"),
    ],
)
def test_an_assurance_is_a_claim_until_a_replay_matched(assurance: str, replays: tuple[str, ...], words: str) -> None:
    said = assurance_words(assurance, "rail-int/2", replays)
    assert words in said
    assert said.startswith("stated by the operator") == ("no published" in said)


def test_a_leaf_hash_leads_to_the_record(client: FlaskClient, hostile: Entry) -> None:
    response = client.get(f"/records/{hostile.leaf_hash.hex()}")
    assert response.status_code == 308
    assert response.headers["Location"].endswith(f"/records/{hostile.index}")


@pytest.mark.parametrize("path", ["/records/999999", f"/records/{'0' * 64}", f"/models/{'0' * 64}", "/nothing"])
def test_what_is_not_there_is_a_page_for_a_browser_and_a_problem_for_others(client: FlaskClient, path: str) -> None:
    page = client.get(path, headers=BROWSER)
    assert page.status_code == 404
    assert page.mimetype == "text/html"
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]
    assert client.get(path).mimetype == "application/problem+json"


@pytest.mark.parametrize("name", ["x", "01", "-1", "0x1", "٣", "<b>"])
def test_a_record_name_that_is_none_is_refused_and_not_echoed_as_markup(client: FlaskClient, name: str) -> None:
    response = client.get(f"/records/{name}", headers=BROWSER)
    assert response.status_code == 400
    assert "<b>x" not in response.text


@pytest.mark.parametrize("before", ["-1", "1.5", "", "x", "9" * 40])
def test_a_page_of_records_starts_at_an_index(client: FlaskClient, before: str) -> None:
    response = client.get("/records.json", query_string={"before": before})
    assert response.status_code == 400
    assert response.get_json()["code"] == "invalid_before"


def test_records_are_paged_from_the_newest(client: FlaskClient, services: Services, hostile: Entry) -> None:
    first = client.get("/records.json").get_json()
    ids = [record["record_id"] for record in first["records"]]
    assert ids == sorted(ids, reverse=True)
    assert ids[0] == services.log.size() - 1
    assert first["newer"] is None
    second = client.get("/records.json?before=1").get_json()
    assert [record["record_id"] for record in second["records"]] == [0]
    assert second["older"] is None
    assert second["newer"] == min(51, services.log.size())
    assert "content" not in first["records"][0]


def test_a_private_text_is_on_no_page(client: FlaskClient, services: Services) -> None:
    secret = "the password of the harbour master"
    entry = services.generation.run(secret, SamplingParams(max_tokens=4), "private").entry
    for path in (f"/records/{entry.index}", f"/records/{entry.index}.json", "/records", "/log", "/records.json"):
        assert secret not in client.get(path).text


def test_static_files_have_their_types_and_are_kept_for_ever(client: FlaskClient) -> None:
    assets = load_assets()
    assert set(assets.files) == {path.name for path in STATIC.iterdir()}
    for name, asset in assets.files.items():
        response = client.get(assets.url(name))
        assert response.status_code == 200
        assert response.content_type == MEDIA_TYPES["." + name.rpartition(".")[2]]
        assert response.data == asset.body
        assert "immutable" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/assets/0000000000000000/rail.css", "/assets/{digest}/nothing.js", "/assets/{digest}/../pages.py"]
)
def test_other_static_paths_are_not_found(client: FlaskClient, path: str) -> None:
    response = client.get(path.format(digest=load_assets().digest))
    assert response.status_code == 404
    assert "immutable" not in response.headers.get("Cache-Control", "")


def test_each_page_asks_for_all_modules_at_once_and_stays_small(client: FlaskClient) -> None:
    assets = load_assets()
    for path in (*PATHS, "/records/1"):
        page = client.get(path)
        names = set(re.findall(r"/assets/[0-9a-f]{16}/([a-z]+\.(?:js|css|svg))", page.text))
        for script in [name for name in names if name.endswith(".js")]:
            assert set(assets.modules(script)) <= names
        assert len(page.data) + sum(len(assets.files[name].body) for name in names) < 60_000, path


def test_the_text_fields_cannot_be_sent_in_a_url(client: FlaskClient) -> None:
    for path in ("/", "/verify"):
        page = client.get(path).text
        assert 'method="post"' in page
        assert not re.search(r"<textarea[^>]* name=", page)


def test_the_curve_ends_at_now() -> None:
    points = [Point(1_000, 1), Point(1_500, 2), Point(2_000, 4)]
    drawn = curve(points, 3_000)
    assert drawn is not None
    assert drawn.line == "M0 91H150V62H300V4H600"
    assert drawn.last.size == 4
    assert curve([], 3_000) is None
    assert curve([Point(1_000, 1)], 1_000) is None


def test_numbers_and_messages_are_written_for_people() -> None:
    assert [sentence(text) for text in ("the end", "Why?", "")] == ["The end.", "Why?", "."]
    assert [micro(value) for value in (0, 1, 800_000, 950_000, 1_000_000, 100_000_000)] == [
        "0",
        "0.000001",
        "0.8",
        "0.95",
        "1",
        "100",
    ]
    assert [permille(value) for value in (0, 1, 5, 125, 999, 1000)] == [
        "none",
        "about 1 %",
        "about 1 %",
        "about 13 %",
        "about 99 %",
        "all",
    ]
    assert [megabytes(value) for value in (1, 99_999, 11_000_000, 11_000_001)] == [
        "0.1 MB",
        "0.1 MB",
        "11.0 MB",
        "11.1 MB",
    ]
