"""Checks COSE receipts offline: inside a transparent statement, or one beside the entry that it is about."""

from pathlib import Path

from ledger.cose_receipt import CoseReceipt, check_cose_receipt, decode_cose_receipt, detach
from ledger.errors import ParseError
from ledger.merkle import leaf_hash
from ledger.statement import open_statement
from web.cli.output import Exit, emit_json, fact, verdict_line
from web.cli.trust import trusted_log_key
from web.cli.verify_proof import entry_needed, read_entry
from web.cli.verify_receipt import refusals
from web.present import rfc3339, statement_json

UNSIGNED = "not checked: the file does not bring the operator's key; receipt.json does"


def looks_transparent(data: bytes) -> bool:
    """Whether these bytes are meant as COSE_Sign1: tag 18 and an array of 4, which no UTF-8 text begins with."""
    return data[:2] == b"\xd2\x84"


def verify_transparent(data: bytes, beside: Path | None, log_key: str | None, home: str | None, as_json: bool) -> int:
    """Check every receipt in the file; `beside`: the entry's, for a bare receipt. CommandError with exit code 3 if one
    is refused."""
    key, trust = trusted_log_key(log_key, home)
    with refusals():
        entry, receipts = _parts(data, beside)
        statement = open_statement(entry)
        for receipt in receipts:
            check_cose_receipt(receipt, entry, key)
    index, payload = receipts[0].index, statement.payload
    if as_json:
        emit_json(
            {
                "verdict": "match",
                "record_id": index,
                "leaf_hash": leaf_hash(entry).hex(),
                "time": rfc3339(payload.time),
                "operator": {"id": statement.operator.hex(), "signature": UNSIGNED},
                "statement": statement_json(payload),
                "log": {"origin": key.name, "vkey": key.vkey, "trusted_because": trust},
            }
        )
        return Exit.OK
    fact("record", f"{index} in {key.name} (key {trust})")
    fact("leaf hash", leaf_hash(entry).hex())
    fact("type", payload.type)
    fact("time", f"{rfc3339(payload.time)}, stated by the operator")
    fact("operator", f"{statement.operator.hex()[:16]}…; signature {UNSIGNED}")
    verdict_line("proof holds", f"entry {index} is in the log {key.name}, unchanged", Exit.OK)
    return Exit.OK


def _parts(data: bytes, beside: Path | None) -> tuple[bytes, list[CoseReceipt]]:
    """The entry and its receipts."""
    try:
        receipt = decode_cose_receipt(data)
    except ParseError:
        return detach(data)
    if beside is None:
        raise entry_needed("COSE receipt")
    return read_entry(beside), [receipt]
