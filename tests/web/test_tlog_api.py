"""The log over HTTP, per C2SP tlog-tiles: paths, types, caching; and the checkpoint that covers it all."""

from hashlib import sha256

import pytest
from flask.testing import FlaskClient

from inference.sampling import SamplingParams
from ledger.checkpoint import open_checkpoint
from ledger.keys import VerifyKey
from ledger.merkle import leaf_hash, root_of
from ledger.tiles import decode_bundle
from tests.web.shapes import assert_error
from web.services import Services


@pytest.fixture(scope="module", autouse=True)
def some_entries(services: Services) -> None:
    for seed in range(3):
        services.generation.run("the", SamplingParams(seed=seed, temperature_micro=900_000, max_tokens=3))


def test_tiles_and_bundle_lead_to_the_checkpoint_s_root(client: FlaskClient, services: Services) -> None:
    response = client.get("/checkpoint")
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    head = open_checkpoint(response.data, VerifyKey.parse(services.log.vkey), services.log.origin)
    assert 0 < head.size < 256
    entries = client.get(f"/tile/entries/000.p/{head.size}")
    hashes = client.get(f"/tile/0/000.p/{head.size}")
    for tile in (entries, hashes):
        assert tile.content_type == "application/octet-stream"
        assert tile.headers["Cache-Control"] == "public, max-age=604800, immutable"
        assert tile.headers["Access-Control-Allow-Origin"] == "*"
    leaves = [leaf_hash(entry) for entry in decode_bundle(entries.data, head.size)]
    assert b"".join(leaves) == hashes.data
    assert root_of(leaves) == head.root


@pytest.mark.parametrize(
    "path",
    [
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/",
        "0/000.p",
        "0/00",
        "0/0000",
        "0/x000/000",
        "0/000/000",
        "00/000",
        "64/000",
        "-1/000",
        "entries/0",
        "data/000",
        "entries/000.p/0",
        "entries/000.p/256",
        "0/000.p/+1",
        "0/٠٠٠",
        "0/000.p/1/",
        "0//000",
        "8/0/000",
        "0/" + "x999/" * 20 + "999",
    ],
)
def test_path_that_is_not_canonical_is_404(client: FlaskClient, path: str) -> None:
    response = client.get(f"/tile/{path}")
    assert response.status_code == 404
    assert_error(response, 404, response.get_json()["code"])


def test_tile_beyond_the_log_is_404(client: FlaskClient, services: Services) -> None:
    size = services.log.size()
    for path in (f"0/000.p/{size + 1}", "0/000", "0/001", "1/000.p/1", f"entries/000.p/{size + 1}"):
        assert_error(client.get(f"/tile/{path}"), 404, "tile_beyond_log")


def test_head_has_the_headers_of_get_and_no_body(client: FlaskClient) -> None:
    for path in ("/checkpoint", "/tile/0/000.p/1"):
        got, head = client.get(path), client.head(path)
        assert head.status_code == 200
        assert head.data == b""
        assert head.content_length == got.content_length
        assert head.content_type == got.content_type


def test_known_tile_is_304(client: FlaskClient) -> None:
    tile = client.get("/tile/0/000.p/1")
    again = client.get("/tile/0/000.p/1", headers={"If-None-Match": tile.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_model_file_comes_whole_and_in_ranges(client: FlaskClient, services: Services) -> None:
    model = services.engine.model
    url = f"/models/{model.root.hex()}.rail"
    whole = client.get(url, buffered=True)
    assert (whole.status_code, whole.content_type) == (200, "application/octet-stream")
    assert sha256(whole.data).digest() == sha256(model.path.read_bytes()).digest()
    assert whole.headers["ETag"] == f'"{model.root.hex()}"'
    assert "immutable" in whole.headers["Cache-Control"]
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = client.get(url, headers={"Range": "bytes=100-"}, buffered=True)
    assert part.status_code == 206
    assert part.data == whole.data[100:]
    assert part.headers["Content-Range"] == f"bytes 100-{len(whole.data) - 1}/{len(whole.data)}"
    assert client.get(url, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert client.head(url).content_length == len(whole.data)
    assert_error(client.get(url, headers={"Range": "bytes=99999999-"}), 416, "range_not_satisfiable")


def test_unknown_model_file_is_404(client: FlaskClient) -> None:
    for root in ("0" * 64, "tiny", ".."):
        assert_error(client.get(f"/models/{root}.rail"), 404, "model_not_found")
    for root in ("0" * 64, "tiny"):
        assert_error(client.get(f"/api/models/{root}"), 404, "model_not_found")
    assert_error(client.get("/models/..%2f..%2fetc%2fpasswd.rail"), 404, "not_found")
