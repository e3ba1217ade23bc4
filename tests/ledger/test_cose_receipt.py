"""COSE receipts against an independent checker, and altered in every byte."""

from contextlib import suppress
from dataclasses import replace

import cbor2
import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import LOG_KEY, ORIGIN, OTHER_KEY, entries, head_of, tree_of

from ledger import checkpoint
from ledger.cose_receipt import (
    CoseReceipt,
    attach,
    check_cose_receipt,
    decode_cose_receipt,
    detach,
    issue,
)
from ledger.errors import LedgerError, NotFound, ParseError, ProofInvalid, SignatureInvalid
from ledger.merkle import leaf_hash, prove_inclusion
from ledger.proof import TlogProof

LOG = LOG_KEY.verify_key
PEM = Ed25519PublicKey.from_public_bytes(LOG.public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
ENTRIES = entries()


def receipt_of(items: list[bytes], index: int) -> CoseReceipt:
    tree = tree_of(items)
    note = checkpoint.sign(head_of(tree), [LOG_KEY])
    proof = TlogProof(index, tuple(prove_inclusion(index, len(items), tree)), note)
    return issue(proof, leaf_hash(items[index]), LOG_KEY)


def test_receipts_of_all_small_trees_verify_elsewhere() -> None:
    for size in range(2, 20):
        items = [b"entry %d" % number for number in range(size)]
        for index in range(size):
            receipt = receipt_of(items, index)
            check_cose_receipt(receipt, items[index], LOG)
            assert decode_cose_receipt(receipt.encode()) == receipt
            theirs = scitt_cose.verify_receipt(
                receipt.encode(), leaf_entry_hex=items[index].hex(), log_public_key_pem=PEM
            )
            assert theirs.ok, theirs.errors
            assert (theirs.tree_size, theirs.leaf_index, theirs.issuer) == (size, index, ORIGIN)
            assert theirs.subject == leaf_hash(items[index]).hex()
            wrong = scitt_cose.verify_receipt(receipt.encode(), leaf_entry_hex="00", log_public_key_pem=PEM)
            assert not wrong.ok


def test_a_transparent_statement_is_read_elsewhere_and_gives_the_entry_back() -> None:
    receipt = receipt_of(ENTRIES, 2)
    transparent = attach(ENTRIES[2], [receipt])
    assert detach(transparent) == (ENTRIES[2], [receipt])
    assert transparent == scitt_cose.attach_receipts(ENTRIES[2], [receipt.encode()])
    (theirs,) = scitt_cose.extract_receipts(transparent)
    assert theirs == receipt.encode()


def test_a_receipt_made_elsewhere_for_the_same_tree_is_read_only_in_our_form() -> None:
    """Another log's receipts carry other headers: they are refused as such, not misread."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    items = [item.hex() for item in ENTRIES]
    theirs = scitt_cose.build_receipt(
        leaf_entry_hex=items[1], leaf_index=1, tree_entries_hex=items, log_private_key_pem=pem, alg="EdDSA"
    )
    with pytest.raises(ParseError):
        decode_cose_receipt(theirs)


def test_a_tree_of_one_leaf_has_no_receipt() -> None:
    with pytest.raises(NotFound):
        receipt_of(ENTRIES[:1], 0)


def test_only_what_the_log_signed_is_issued() -> None:
    tree = tree_of(ENTRIES)
    proof = TlogProof(1, tuple(prove_inclusion(1, len(ENTRIES), tree)), checkpoint.sign(head_of(tree), [LOG_KEY]))
    with pytest.raises(SignatureInvalid):
        issue(proof, leaf_hash(ENTRIES[1]), OTHER_KEY)
    with pytest.raises(ProofInvalid):
        issue(proof, leaf_hash(ENTRIES[2]), LOG_KEY)


def test_every_flipped_bit_is_refused() -> None:
    receipt = receipt_of(ENTRIES, 2)
    data = receipt.encode()
    for place in range(len(data)):
        for bit in range(8):
            altered = bytes([*data[:place], data[place] ^ 1 << bit, *data[place + 1 :]])
            try:
                accepted = decode_cose_receipt(altered)
                check_cose_receipt(accepted, ENTRIES[2], LOG)
            except LedgerError:
                continue
            # The tree size is not signed (RFC 9942), and the path fits trees of other sizes. Nothing else may change.
            assert replace(accepted, size=receipt.size) == receipt


def test_a_receipt_is_of_one_entry_of_one_log() -> None:
    receipt = receipt_of(ENTRIES, 2)
    for other, key, code in (
        (ENTRIES[1], LOG, "cose_receipt_leaf"),
        (ENTRIES[2], OTHER_KEY.verify_key, "cose_receipt_log"),
    ):
        with pytest.raises(SignatureInvalid) as caught:
            check_cose_receipt(receipt, other, key)
        assert caught.value.code == code
    moved = replace(receipt, leaf=leaf_hash(ENTRIES[1]))
    with pytest.raises(LedgerError):
        check_cose_receipt(moved, ENTRIES[1], LOG)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value[1].update({1: 2}),
        lambda value: value[1][396].update({-2: []}),
        lambda value: value[1][396].update({-1: value[1][396][-1] * 2}),
        lambda value: value[1][396].update({-1: []}),
        lambda value: value[1].clear(),
        lambda value: value.__setitem__(2, b""),
        lambda value: value.__setitem__(3, value[3] + b"\0"),
        lambda value: value.append(b""),
        lambda value: value[1][396].update({-1: [cbor2.dumps([2, 2, [bytes(32)]])]}),
        lambda value: value[1][396].update({-1: [cbor2.dumps([2, 1, []])]}),
        lambda value: value[1][396].update({-1: [cbor2.dumps([2, 1, [bytes(31)]])]}),
        lambda value: value[1][396].update({-1: [cbor2.dumps([2**63, 1, [bytes(32)]])]}),
        lambda value: value[1][396].update({-1: [cbor2.dumps([2**62, 1, [bytes(32)] * 64])]}),
    ],
)
def test_other_structures_are_refused(change) -> None:  # type: ignore[no-untyped-def]
    def plain(value):  # type: ignore[no-untyped-def]
        if hasattr(value, "items"):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    value = plain(cbor2.loads(receipt_of(ENTRIES, 2).encode()).value)
    change(value)
    with pytest.raises(ParseError):
        decode_cose_receipt(cbor2.dumps(cbor2.CBORTag(18, value), canonical=True))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_have_one_form(data: bytes) -> None:
    for start in (b"", b"\xd2\x84"):
        with suppress(ParseError):
            assert decode_cose_receipt(start + data).encode() == start + data
        with suppress(ParseError):
            statement, receipts = detach(start + data)
            assert attach(statement, receipts) == start + data


def test_transparent_statements_are_bounded() -> None:
    receipt = receipt_of(ENTRIES, 2)
    assert len(detach(attach(ENTRIES[2], [receipt] * 16))[1]) == 16
    for data in (attach(ENTRIES[2], [receipt] * 17), attach(ENTRIES[2], []), ENTRIES[2], b"", b"\xd2" * 300_000):
        with pytest.raises(ParseError):
            detach(data)
