"""/api/private: a text is looked up without being shown; only public records are in the buckets."""

import pytest
from flask.testing import FlaskClient

from ledger.index import private
from ledger.index.text import Text
from tests.web.outsider import log_text
from tests.web.shapes import assert_error, body_of
from web.schemas import CharacterData, PrivateLookup
from web.services import Services

WORDS = (
    "A clockmaker from the northern valley kept nineteen brass birds on a shelf above the stove, and every winter he "
    "wound each of them once so that none would forget its song"
)


@pytest.fixture(scope="module")
def record_id(services: Services, app: object) -> int:
    return log_text(services, app.test_client(), WORDS)  # type: ignore[attr-defined]


def test_a_text_is_found_by_its_buckets_alone(client: FlaskClient, record_id: int) -> None:
    service = body_of(client.get("/api/private"), PrivateLookup)
    assert service.complete and service.indexed_through >= record_id
    text, found = Text(f"He told us this: {WORDS}."), {}
    for prefix in private.prefixes_of(text, service.prefix_bits):
        response = client.get(f"/api/private/buckets/{service.prefix_bits}/{prefix}")
        assert response.headers["Cache-Control"] == "public, max-age=60"
        again = client.get(response.request.path, headers={"If-None-Match": response.headers["ETag"]})
        assert again.status_code == 304
        found |= private.parse_bucket(response.data, service.prefix_bits, prefix)
    verdict = private.judged(text, found)
    assert verdict["records"] == [{"record_id": record_id}]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("64/0", "bucket"),
        ("33/5", "bucket"),
        ("1/99999999999999999999999", "bucket"),
        ("-1/0", "not_found"),
        ("x/0", "not_found"),
    ],
)
def test_a_bucket_that_is_none_is_not_found(client: FlaskClient, record_id: int, path: str, code: str) -> None:
    assert_error(client.get(f"/api/private/buckets/{path}"), 404, code)


def test_the_tables_of_characters_are_those_that_texts_are_normalised_with(client: FlaskClient) -> None:
    data = body_of(client.get("/api/private/characters"), CharacterData)
    assert data.casefold["ß"] == "ss"
    assert [0x4E00, 0x9FFF] in data.classes["wide"]
    assert data.fold_after["\u2019"] == "'"
