"""COSE receipts (RFC 9942): a proof of inclusion that SCITT tools read, signed by the log over the root itself.

    d2 84                                   COSE_Sign1, tag 18, array of 4
       58 .. a4                             protected header, in a byte string:
          01 27                                1 (alg): -8 (EdDSA)
          04 58 20 ..                          4 (key id): SHA-256 of the log's public key
          0f a2 01 .. 02 ..                    15 (CWT claims): {1 (iss): origin, 2 (sub): leaf hash in hex}
          19 018b 01                           395 (verifiable data structure): 1 (RFC9162_SHA256)
       a1 19 018c a1 20 81 58 ..            unprotected header: {396: {-1: [inclusion proof]}}
       f6                                   payload: detached; it is the root, which the verifier computes
       58 40 ..                             signature

    inclusion proof = CBOR of [tree size, leaf index, [hashes]], in a byte string

The tree size is not signed: RFC 9942 signs the root alone, and a path may fit trees of several sizes. Index and entry
are fixed by the root.

A *transparent statement* (RFC 9943) is the log entry with its receipts under 394 in the unprotected header: one file
for an offline check. Taking them off again gives the entry, byte for byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger import cbor
from ledger.checkpoint import open_checkpoint
from ledger.cose import decode_sign1
from ledger.errors import NotFound, ParseError, SignatureInvalid
from ledger.keys import SIGNATURE_BYTES, NoteSigner, VerifyKey, operator_id, verify_ed25519
from ledger.merkle import HASH_BYTES, PROOF_HASHES_MAX, SIZE_MAX, check_inclusion, inclusion_root, leaf_hash
from ledger.proof import TlogProof

RECEIPT_BYTES_MAX = 8 * 1024
TRANSPARENT_BYTES_MAX = 256 * 1024
RECEIPTS_MAX = 16
RECEIPT_TYPE = "application/scitt-receipt+cose"
STATEMENT_TYPE = "application/scitt-statement+cose"

_TAG_18 = b"\xd2"
_ALG, _KEY_ID, _CLAIMS, _STRUCTURE, _PROOFS, _RECEIPTS = 1, 4, 15, 395, 396, 394
_ISSUER, _SUBJECT, _INCLUSION = 1, 2, -1
_EDDSA, _RFC9162_SHA256 = -8, 1


@dataclass(frozen=True, slots=True)
class CoseReceipt:
    """That the entry with hash `leaf` is at `index` of a tree of the log `origin`; nothing is verified yet."""

    key_id: bytes
    origin: str
    leaf: bytes
    size: int  # never authenticated: see above
    index: int
    hashes: tuple[bytes, ...]
    signature: bytes

    def encode(self) -> bytes:
        """Inverse of `decode_cose_receipt`."""
        proof = cbor.encode([self.size, self.index, list(self.hashes)])
        protected = _protected(self.key_id, self.origin, self.leaf)
        return _TAG_18 + cbor.encode([protected, {_PROOFS: {_INCLUSION: [proof]}}, None, self.signature])

    def signing_bytes(self, root: bytes) -> bytes:
        """The Sig_structure that the log signs (RFC 9052 section 4.4). Its first byte is in no signed note."""
        return cbor.encode(["Signature1", _protected(self.key_id, self.origin, self.leaf), b"", root])


def issue(proof: TlogProof, leaf: bytes, key: NoteSigner) -> CoseReceipt:
    """The receipt of an entry, from a proof in a checkpoint that `key` signed.

    NotFound `cose_receipt_size` for a tree of one leaf: RFC 9942 wants a path, and there is none.
    """
    head = open_checkpoint(proof.checkpoint, key.verify_key)
    check_inclusion(leaf, proof.index, head.size, proof.hashes, head.root)
    if not proof.hashes:
        raise NotFound("cose_receipt_size", "a COSE receipt needs a path, and a tree of one leaf has none; ask later")
    unsigned = CoseReceipt(operator_id(key.public), head.origin, leaf, head.size, proof.index, proof.hashes, b"")
    signature = key.sign(unsigned.signing_bytes(head.root))
    return CoseReceipt(unsigned.key_id, head.origin, leaf, head.size, proof.index, proof.hashes, signature)


def decode_cose_receipt(data: bytes) -> CoseReceipt:
    """Parse strictly, verify nothing; raises ParseError (`cose_receipt_*`, `cbor_*`)."""
    if len(data) > RECEIPT_BYTES_MAX:
        raise ParseError("cose_receipt_size", f"the receipt has {len(data)} bytes; the limit is {RECEIPT_BYTES_MAX}")
    if data[:1] != _TAG_18:
        raise ParseError("cose_receipt_structure", "not a COSE_Sign1 object: its first byte is not d2")
    match cbor.decode(data[1:], RECEIPT_BYTES_MAX):
        case [bytes(protected), {396: {-1: [bytes(proof)], **others}, **more}, None, bytes(signature)]:
            if others or more:
                raise ParseError("cose_receipt_proofs", "the receipt holds more than one inclusion proof")
        case _:
            raise ParseError("cose_receipt_structure", "not [protected, {396: {-1: [proof]}}, null, signature]")
    if len(signature) != SIGNATURE_BYTES:
        raise ParseError("cose_receipt_signature", f"the signature has {len(signature)} bytes, not {SIGNATURE_BYTES}")
    key_id, origin, leaf = _decode_protected(protected)
    return CoseReceipt(key_id, origin, leaf, *_decode_proof(proof), signature)


def check_cose_receipt(receipt: CoseReceipt, statement: bytes, log_key: VerifyKey) -> None:
    """Return if the log whose key this is signed a tree with this entry at this place.

    Raises SignatureInvalid (`cose_receipt_log`, `cose_receipt_leaf`, `cose_receipt_signature`), ProofInvalid.
    """
    if receipt.key_id != operator_id(log_key.public) or receipt.origin != log_key.name:
        raise SignatureInvalid("cose_receipt_log", f"the receipt is of log {receipt.origin!r}, or by another key of it")
    leaf = leaf_hash(statement)
    if receipt.leaf != leaf:
        raise SignatureInvalid("cose_receipt_leaf", "the receipt is of another entry")
    root = inclusion_root(leaf, receipt.index, receipt.size, receipt.hashes)
    message = receipt.signing_bytes(root)
    verify_ed25519(log_key.public, message, receipt.signature, "cose_receipt_signature", "the log's signature")


def attach(statement: bytes, receipts: Sequence[CoseReceipt]) -> bytes:
    """The transparent statement: the log entry with these receipts in its unprotected header."""
    signed = decode_sign1(statement)
    protected = cbor.decode(statement[1:], len(statement))
    assert isinstance(protected, Sequence)
    header = {_RECEIPTS: [receipt.encode() for receipt in receipts]}
    return _TAG_18 + cbor.encode([protected[0], header, signed.payload, signed.signature])


def detach(data: bytes) -> tuple[bytes, list[CoseReceipt]]:
    """Inverse of `attach`: the log entry and its receipts, unverified; raises ParseError (`transparent_*`, ...)."""
    if len(data) > TRANSPARENT_BYTES_MAX:
        raise ParseError(
            "transparent_size", f"the statement has {len(data)} bytes; the limit is {TRANSPARENT_BYTES_MAX}"
        )
    if data[:1] != _TAG_18:
        raise ParseError("transparent_structure", "not a COSE_Sign1 object: its first byte is not d2")
    match cbor.decode(data[1:], TRANSPARENT_BYTES_MAX):
        case [protected, {394: [*receipts], **more}, payload, signature] if 1 <= len(receipts) <= RECEIPTS_MAX:
            if more:
                raise ParseError("transparent_header", "the unprotected header holds more than receipts (394)")
        case _:
            raise ParseError(
                "transparent_structure", f"not [protected, {{394: [1 to {RECEIPTS_MAX} receipts]}}, payload, signature]"
            )
    if not all(isinstance(item, bytes) for item in receipts):
        raise ParseError("transparent_header", "a receipt in the unprotected header is not a byte string")
    statement = _TAG_18 + cbor.encode([protected, {}, payload, signature])
    decode_sign1(statement)
    return statement, [decode_cose_receipt(item) for item in receipts if isinstance(item, bytes)]


def _protected(key_id: bytes, origin: str, leaf: bytes) -> bytes:
    claims: dict[int, cbor.CborValue] = {_ISSUER: origin, _SUBJECT: leaf.hex()}
    return cbor.encode({_ALG: _EDDSA, _KEY_ID: key_id, _CLAIMS: claims, _STRUCTURE: _RFC9162_SHA256})


def _decode_protected(data: bytes) -> tuple[bytes, str, bytes]:
    match cbor.decode(data, RECEIPT_BYTES_MAX):
        case {4: bytes(key_id), 15: {1: str(origin), 2: str(subject)}} if len(subject) == 2 * HASH_BYTES:
            try:
                leaf = bytes.fromhex(subject)
            except ValueError:
                leaf = b""
            if len(key_id) == HASH_BYTES and data == _protected(key_id, origin, leaf):
                return key_id, origin, leaf
    raise ParseError(
        "cose_receipt_protected",
        "the protected header is not exactly algorithm -8, key id, issuer, subject and RFC9162_SHA256",
    )


def _decode_proof(data: bytes) -> tuple[int, int, tuple[bytes, ...]]:
    match cbor.decode(data, RECEIPT_BYTES_MAX):
        case [int(size), int(index), [*hashes]] if (
            0 <= index < size <= SIZE_MAX and 0 < len(hashes) <= PROOF_HASHES_MAX
        ):
            if all(isinstance(item, bytes) and len(item) == HASH_BYTES for item in hashes):
                return size, index, tuple(item for item in hashes if isinstance(item, bytes))
    raise ParseError("cose_receipt_proof", "the inclusion proof is not [size, index, [1 to 63 hashes of 32 bytes]]")
