"""Our own formats do not change by accident: frozen vectors are made again, compared, and checked without our code."""

import json
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ledger_samples import LOG_KEY, WITNESS_KEY
from make_negative_vectors import TARGET
from make_vectors import FOLDER, vectors

from ledger.receipt import Receipt, check_receipt


def read(name: str) -> str:
    return (Path(FOLDER) / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", vectors())
def test_vectors_are_what_the_code_makes(name: str) -> None:
    assert read(name) == vectors()[name]


def test_no_vector_is_without_its_maker() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*vectors(), TARGET.name}


def test_statements_verify_without_our_code() -> None:
    frozen = json.loads(read("statements.json"))
    public = bytes.fromhex(frozen["public"])
    assert sha256(public).hexdigest() == frozen["operator"]
    for item in [*frozen["statements"], json.loads(read("steered.json"))["statement"]]:
        entry = bytes.fromhex(item["entry"])
        assert sha256(b"\x00" + entry).hexdigest() == item["leaf_hash"]
        protected, _, payload, signature = cbor2.loads(entry).value
        assert payload.hex() == item["payload"]
        assert cbor2.dumps(["Signature1", protected, b"", payload]).hex() == item["signed"]
        Ed25519PublicKey.from_public_bytes(public).verify(signature, bytes.fromhex(item["signed"]))


def test_commitments_hold_without_our_code() -> None:
    steered = json.loads(read("steered.json"))["prompt"]
    for tag, item in [*json.loads(read("commitments.json")).items(), ("prompt", steered)]:
        hashed = f"rail/commitment/v1\0{tag}\0".encode() + bytes.fromhex(item["salt"]) + bytes.fromhex(item["content"])
        assert sha256(hashed).hexdigest() == item["commitment"]


def test_parameters_and_biases_read_without_our_code() -> None:
    frozen = json.loads(read("steered.json"))
    sampling = cbor2.loads(bytes.fromhex(frozen["statement"]["payload"]))["sampling"]
    assert sampling == frozen["statement"]["fields"]["sampling"]
    assert (sampling["min_p_micro"], sampling["frequency_micro"], sampling["logit_biases"]) == (50_000, -250_000, 2)
    assert cbor2.loads(bytes.fromhex(frozen["prompt"]["content"]))["bias"] == {13: -100_000_000, 700: 1_500_000}


def test_frozen_receipt_verifies() -> None:
    receipt = Receipt.from_json(read("receipt.json"))
    checked = check_receipt(receipt, LOG_KEY.verify_key, [WITNESS_KEY.verify_key])
    assert checked.opened is not None
    assert len(checked.cosignatures) == 1
    assert receipt.to_tlog_proof().decode() == read("receipt.tlog-proof")
