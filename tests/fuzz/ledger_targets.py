"""Fuzz targets of the ledger's parsers: any bytes are refused with a LedgerError, or are the one form of a value.

Every other exception is a defect, and so is a value whose format is not the bytes that it was read from. Each target is
a plain function, for any driver; `ledger_seeds.py` has bytes to start from.
"""

from collections.abc import Callable

import cbor2

from ledger.cbor import DEPTH_MAX, encode, read
from ledger.checkpoint import open_witnessed, parse_checkpoint
from ledger.compiled import cbor_is_valid
from ledger.cose_receipt import attach, decode_cose_receipt, detach
from ledger.errors import LedgerError
from ledger.keys import COSIGNATURE_V1, SigningKey, VerifyKey
from ledger.note import parse_note
from ledger.policy import open_counted, parse_policy
from ledger.proof import parse_tlog_proof
from ledger.receipt import Receipt, check_receipt
from ledger.statement import open_statement
from ledger.tiles import decode_bundle, encode_bundle, format_tile_path, parse_tile_path
from ledger.witness.request import format_size, parse_add_checkpoint, parse_cosignatures, parse_size

LOG = SigningKey.from_seed("rail.example/log1", bytes(range(32))).verify_key
WITNESS = SigningKey.from_seed("w1.example/witness", bytes(range(32, 64)), COSIGNATURE_V1).verify_key
POLICY = parse_policy(f"log {LOG.vkey}\nwitness w {WITNESS.vkey}\nquorum w\n".encode())


def note_target(data: bytes) -> None:
    """A signed note, a checkpoint and its cosignatures, and a checkpoint under a policy."""
    with _refusals():
        assert parse_note(data).format() == data
    with _refusals():
        checkpoint, note = parse_checkpoint(data)
        assert checkpoint.text() == note.text
    with _refusals():
        opened = open_witnessed(data, LOG, [WITNESS])
        assert opened.checkpoint.origin == LOG.name
    with _refusals():
        open_counted(data, POLICY)


def cosignatures_target(data: bytes) -> None:
    """What a witness answers: signature lines, or a size."""
    with _refusals():
        assert "".join(line.format() for line in parse_cosignatures(data)).encode() == data
    with _refusals():
        assert format_size(parse_size(data)) == data


def add_checkpoint_target(data: bytes) -> None:
    with _refusals():
        assert parse_add_checkpoint(data).format() == data


def policy_target(data: bytes) -> None:
    with _refusals():
        policy = parse_policy(data)
        assert policy.is_met(policy.witness_keys)  # all witnesses together are always enough
        assert policy.describe()


def vkey_target(data: bytes) -> None:
    with _refusals():
        text = data.decode("utf-8", "surrogateescape")
        assert VerifyKey.parse(text).vkey == text


def proof_target(data: bytes) -> None:
    with _refusals():
        assert parse_tlog_proof(data).format() == data


def tile_target(data: bytes) -> None:
    """A tile's path, and an entry bundle of as many entries as the first byte says."""
    with _refusals():
        path = data.decode("utf-8", "surrogateescape")
        assert format_tile_path(parse_tile_path(path)) == path
    width = data[0] if data else 1
    if width:
        with _refusals():
            assert encode_bundle(decode_bundle(data[1:], width)) == data[1:]


def cbor_target(data: bytes) -> None:
    """The check in C takes what the reader in Python takes, nothing else; three codecs agree on the value."""
    valid = cbor_is_valid(data, DEPTH_MAX)
    with _refusals():
        try:
            value = read(data)
        except LedgerError:
            assert not valid
            raise
        assert valid
        assert encode(value) == data
        assert cbor2.loads(data) == value


def statement_target(data: bytes) -> None:
    """COSE_Sign1 over deterministic CBOR."""
    with _refusals():
        assert open_statement(data).encode() == data


def cose_receipt_target(data: bytes) -> None:
    """A COSE receipt, and a transparent statement."""
    with _refusals():
        assert decode_cose_receipt(data).encode() == data
    with _refusals():
        assert attach(*detach(data)) == data


def receipt_target(data: bytes) -> None:
    with _refusals():
        receipt = Receipt.from_json(data)
        assert receipt.to_json().encode() == data
        check_receipt(receipt, LOG, [WITNESS])


class _refusals:
    """Ends quietly with a LedgerError that has a code and a message of bounded length."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, LedgerError):
            return False
        assert error.code.isidentifier()
        assert len(str(error)) < 1000
        return True


TARGETS: dict[str, Callable[[bytes], None]] = {
    "note": note_target,
    "cosignatures": cosignatures_target,
    "add_checkpoint": add_checkpoint_target,
    "policy": policy_target,
    "vkey": vkey_target,
    "proof": proof_target,
    "tile": tile_target,
    "cbor": cbor_target,
    "statement": statement_target,
    "cose_receipt": cose_receipt_target,
    "receipt": receipt_target,
}
