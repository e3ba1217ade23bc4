"""The examples in ledger/SPEC.md are true: each is parsed by the code or compared with what the code makes."""

import json
import re
from pathlib import Path

import pytest
from ledger_samples import LOG_KEY, OPERATOR_KEY, WITNESS_KEY, entries, generation_statement, opening, receipt_of

from ledger import cbor
from ledger.checkpoint import open_witnessed
from ledger.keys import SigningKey, operator_id
from ledger.merkle import leaf_hash
from ledger.policy import open_by_policy, parse_policy
from ledger.proof import TlogProof, check_tlog_proof, parse_tlog_proof
from ledger.tiles import decode_bundle, parse_tile_path
from ledger.witness.request import parse_add_checkpoint

SPEC = (Path(__file__).resolve().parents[2] / "ledger" / "SPEC.md").read_text(encoding="utf-8")


def block(section: int, number: int = 0) -> str:
    """The fenced example of a section."""
    text = re.split(r"^## ", SPEC, flags=re.MULTILINE)[section]
    assert text.startswith(f"{section}. ")
    return re.findall(r"^```[a-z]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[number]


def test_keys(tmp_path: Path) -> None:
    vkey, secret = block(1).splitlines()
    assert vkey == LOG_KEY.vkey
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_text(secret + "\n")
    assert SigningKey.load(tmp_path / "key") == LOG_KEY


def test_signed_statement() -> None:
    entry, position = entries()[2].hex(), 0
    for line in block(2).splitlines():
        cell = re.split(" {2,}", line.strip())[0].removesuffix("...").replace(" ", "")
        assert re.fullmatch("[0-9a-f]+", cell)
        position = entry.index(cell, position)  # In this order, each after the one before.
    assert entry.startswith("d2845848a30127")
    assert operator_id(OPERATOR_KEY.public).hex().startswith("03396219")


def test_payload_fields() -> None:
    shown = json.loads(block(2, 1))
    actual = generation_statement().to_map()
    assert list(shown) == list(actual) or set(shown) == set(actual)
    for name, value in shown.items():
        found = actual[name]
        if isinstance(found, bytes):
            start, _, end = value.partition("...")
            assert found.hex().startswith(start)
            assert found.hex().endswith(end)
        else:
            assert found == value
    assert f"{len(cbor.encode(actual)):04x}" in block(2)


def test_entries_and_tile_paths() -> None:
    for line in block(5).splitlines()[1:]:
        parse_tile_path(line.split()[0].removeprefix("/"))
    bundle = bytes.fromhex(block(5).rpartition(": ")[2])
    assert decode_bundle(bundle, 3) == [b"entry 0", b"entry 1", b"entry 2"]


def test_checkpoint_and_proof() -> None:
    note = block(6).encode()
    opened = open_witnessed(note, LOG_KEY.verify_key, [WITNESS_KEY.verify_key])
    assert (opened.checkpoint.size, [item.time for item in opened.cosignatures]) == (3, [1_700_000_000])
    head, _, rest = block(7).partition("\n\n")
    assert note.decode().startswith(rest.removesuffix("...\n"))
    proof = parse_tlog_proof(f"{head}\n\n".encode() + note)
    assert isinstance(proof, TlogProof)
    check_tlog_proof(proof, leaf_hash(b"entry 1"), LOG_KEY.verify_key)


def test_policy() -> None:
    assert open_by_policy(block(6).encode(), parse_policy(block(17).encode())).checkpoint.size == 3


def test_witness_request() -> None:
    request = parse_add_checkpoint(block(18).encode())
    assert (request.old_size, len(request.proof)) == (1, 1)
    assert block(6).startswith(request.checkpoint.decode().removesuffix("...\n"))


def test_receipt() -> None:
    shown = json.loads(block(8))
    actual = receipt_of(entries(), 2, shown=opening(), witnessed=False).to_object()
    assert list(shown) == list(actual)
    assert_abbreviates(shown, actual)


def assert_abbreviates(shown: object, actual: object) -> None:
    """Equal, but that a text may leave out a part for which it has three dots."""
    if isinstance(shown, dict):
        assert isinstance(actual, dict)
        assert list(shown) == list(actual)
        for name in shown:
            assert_abbreviates(shown[name], actual[name])
    elif isinstance(shown, list):
        assert isinstance(actual, list)
        assert len(shown) == len(actual)
        for left, right in zip(shown, actual, strict=True):
            assert_abbreviates(left, right)
    elif isinstance(shown, str):
        pattern = ".*".join(map(re.escape, shown.split("...")))
        assert re.fullmatch(pattern, str(actual), re.DOTALL)
    else:
        assert shown == actual


@pytest.mark.parametrize("name", re.findall(r"`([a-z_]+\.py)`", SPEC))
def test_files_that_it_names_exist(name: str) -> None:
    assert (Path(__file__).resolve().parents[2] / "ledger" / name).is_file()
