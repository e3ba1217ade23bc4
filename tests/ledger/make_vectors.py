"""The frozen vectors of the ledger's own formats, tests/vectors/ledger/.

    PYTHONPATH=. .venv/bin/python tests/ledger/make_vectors.py        writes them

A change of any byte in them is a change of a public format: it needs a new version, not new vectors.
"""

import json
from pathlib import Path
from typing import Any

import ledger_samples as samples

from ledger import cbor
from ledger.cose import signing_bytes
from ledger.keys import operator_id
from ledger.merkle import leaf_hash
from ledger.statement import Payload, open_statement, sign_statement

FOLDER = Path(__file__).resolve().parent.parent / "vectors" / "ledger"


def statement_vectors() -> dict[str, Any]:
    """Each statement as JSON, its payload, what is signed, the log entry and its leaf hash, all in hex."""
    operator = operator_id(samples.OPERATOR_KEY.public)
    return {
        "seed": bytes(range(64, 96)).hex(),
        "public": samples.OPERATOR_KEY.public.hex(),
        "operator": operator.hex(),
        "statements": [statement_vector(payload) for payload in samples.payloads()],
    }


def statement_vector(payload: Payload) -> dict[str, Any]:
    entry, encoded = sign_statement(payload, samples.OPERATOR_KEY), cbor.encode(payload.to_map())
    return {
        "type": payload.type,
        "fields": json_of(payload.to_map()),
        "payload": encoded.hex(),
        "signed": signing_bytes(operator_id(samples.OPERATOR_KEY.public), encoded).hex(),
        "entry": entry.hex(),
        "leaf_hash": leaf_hash(entry).hex(),
    }


def steered_vectors() -> dict[str, Any]:
    """A generation with every parameter that is left out where it is off, and what its prompt's commitment holds."""
    payload = samples.steered_statement()
    prompt = {
        "salt": samples.PROMPT_SALT.hex(),
        "content": samples.STEERED_CONTENT.hex(),
        "commitment": payload.prompt_commitment.hex(),
    }
    return {"statement": statement_vector(payload), "prompt": prompt}


def commitment_vectors() -> dict[str, Any]:
    """Salt, content and commitment of the sample generation."""
    payload = samples.generation_statement()
    return {
        "prompt": {
            "salt": samples.PROMPT_SALT.hex(),
            "content": samples.PROMPT_CONTENT.hex(),
            "commitment": payload.prompt_commitment.hex(),
        },
        "output": {
            "salt": samples.OUTPUT_SALT.hex(),
            "content": samples.OUTPUT_CONTENT.hex(),
            "commitment": payload.output_commitment.hex(),
        },
    }


def json_of(value: Any) -> Any:
    """CBOR values with byte strings as hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: json_of(item) for key, item in value.items()}
    return value


def vectors() -> dict[str, str]:
    """File name to content."""
    receipt = samples.receipt_of(samples.entries(), 2, shown=samples.opening(), witnessed=True)
    assert [open_statement(entry).payload for entry in samples.entries()] == samples.payloads()
    return {
        "statements.json": json.dumps(statement_vectors(), indent=2) + "\n",
        "commitments.json": json.dumps(commitment_vectors(), indent=2) + "\n",
        "steered.json": json.dumps(steered_vectors(), indent=2) + "\n",
        "receipt.json": receipt.to_json(),
        "receipt.tlog-proof": receipt.to_tlog_proof().decode(),
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in vectors().items():
        (FOLDER / name).write_text(text, encoding="utf-8", newline="")
