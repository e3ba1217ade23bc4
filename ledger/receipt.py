"""Receipts: everything for an offline check of one log entry, in one file. No I/O, no clock, no network.

    {
      "format": "rail-receipt/1",
      "log": "rail.example/log1+7fd7bc70+AQOhB7/z...",          vkey of the log
      "entry": {"index": 2, "statement": base64, "proof": [base64, ...]},
      "operator": {"index": 0, "statement": base64, "proof": [base64, ...]},
      "checkpoint": "rail.example/log1\\n3\\nlPvQ...",            signed note, of both proofs
      "opening": {"prompt": {"salt": base64, "content": base64}, "output": {...}}
    }

What `check_receipt` establishes, in this order:
  * the receipt is of the log whose key the caller gave, and that key signed the checkpoint;
  * the operator's registration is in the tree, and is signed by the key that it registers;
  * the entry is in the tree, not before the registration, signed by that key within its validity;
  * each opened part, if any, is what the entry's commitment was made of, and has the stated number of tokens.

`opening` and each part of it may be null: without it the receipt proves the entry and reveals nothing of the content.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from ledger.checkpoint import Checkpoint, open_witnessed
from ledger.commitment import (
    CONTENT_BYTES_MAX,
    SALT_BYTES,
    OutputContent,
    PromptContent,
    check_commitment,
    parse_output_content,
    parse_prompt_content,
)
from ledger.encoding import format_base64, parse_base64
from ledger.errors import ParseError, ProofInvalid, SignatureInvalid
from ledger.keys import VerifyKey
from ledger.merkle import HASH_BYTES, PROOF_HASHES_MAX, check_inclusion, leaf_hash
from ledger.note import Verified
from ledger.payload import GenerationStatement, OperatorStatement
from ledger.proof import TlogProof
from ledger.statement import STATEMENT_BYTES_MAX, SignedStatement, check_signed_by, open_statement

FORMAT = "rail-receipt/1"
RECEIPT_BYTES_MAX = 24 * 1024 * 1024  # Two contents of the largest size in base64, and the rest.


@dataclass(frozen=True, slots=True)
class SaltedContent:
    """What a commitment was made of; see ledger.commitment."""

    salt: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """The content of a generation as far as the holder shows it; None: not shown."""

    prompt: SaltedContent | None
    output: SaltedContent | None


@dataclass(frozen=True, slots=True)
class OperatorEvidence:
    """The registration of the entry's operator: its bytes, and its place in the same tree as the entry."""

    statement: bytes
    index: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt, unverified. `proof.checkpoint` serves for the entry and for the operator's registration."""

    statement: bytes
    proof: TlogProof
    log_vkey: str
    operator: OperatorEvidence
    opening: Opening | None = None  # None: nothing of the content is shown.

    def to_object(self) -> dict[str, Any]:
        """The JSON object, for embedding in a larger answer; keys in their canonical order."""
        return {
            "format": FORMAT,
            "log": self.log_vkey,
            "entry": _format_entry(self.proof.index, self.statement, self.proof.hashes),
            "operator": _format_entry(self.operator.index, self.operator.statement, self.operator.hashes),
            "checkpoint": self.proof.checkpoint.decode("utf-8"),
            "opening": None if self.opening is None else _format_opening(self.opening),
        }

    @classmethod
    def from_object(cls, value: object) -> Self:
        """Inverse of `to_object`; raises ParseError (`receipt_<field>`). Keys may come in any order here."""
        fields = _object(value, "receipt", ("format", "log", "entry", "operator", "checkpoint", "opening"))
        if fields["format"] != FORMAT:
            raise ParseError(
                "receipt_format", f"the receipt's format is {fields['format']!r:.60} instead of {FORMAT!r}"
            )
        log_vkey = _string(fields["log"], "receipt_log")
        VerifyKey.parse(log_vkey)
        checkpoint = _utf8(_string(fields["checkpoint"], "receipt_checkpoint"), "receipt_checkpoint")
        operator_index, operator_statement, operator_hashes = _parse_entry(fields["operator"], "receipt_operator")
        TlogProof(operator_index, operator_hashes, checkpoint)
        index, statement, hashes = _parse_entry(fields["entry"], "receipt_entry")
        return cls(
            statement=statement,
            proof=TlogProof(index, hashes, checkpoint),
            log_vkey=log_vkey,
            operator=OperatorEvidence(operator_statement, operator_index, operator_hashes),
            opening=None if fields["opening"] is None else _parse_opening(fields["opening"]),
        )

    def to_json(self) -> str:
        """The receipt file: two blanks of indentation, no escapes but those JSON demands, a final newline.

        This is what `JSON.stringify(receipt, null, 2) + "\\n"` and `jq .` write.
        """
        return json.dumps(self.to_object(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, data: str | bytes) -> Self:
        """Inverse of `to_json`: one byte string per receipt; raises ParseError (`receipt_*`, `vkey_*`, `proof_*`)."""
        if len(data) > RECEIPT_BYTES_MAX:
            raise ParseError("receipt_size", f"the receipt is longer than {RECEIPT_BYTES_MAX} bytes")
        try:
            text = data if isinstance(data, str) else data.decode("utf-8")
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ParseError("receipt_json", f"the receipt is not JSON in UTF-8: {error}") from None
        receipt = cls.from_object(value)
        if receipt.to_json() != text:
            raise ParseError(
                "receipt_not_canonical", "the receipt's JSON was rewritten (order, blanks, escapes); keep it as served"
            )
        return receipt

    def to_tlog_proof(self) -> bytes:
        """The C2SP tlog-proof of the entry, for other tools; the statement's bytes travel beside it."""
        return self.proof.format()


@dataclass(frozen=True, slots=True)
class Opened:
    """The verified content; None: that part was not shown."""

    prompt: PromptContent | None
    output: OutputContent | None


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """What a receipt proves, given that the log's key was the right one."""

    statement: SignedStatement
    operator: OperatorStatement
    index: int
    leaf_hash: bytes
    checkpoint: Checkpoint
    cosignatures: tuple[Verified, ...]  # By the witnesses that the caller named.
    opened: Opened | None  # None: the receipt has no opening.

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self.checkpoint.origin

    @property
    def size(self) -> int:
        """Number of entries in the tree of the proof."""
        return self.checkpoint.size


def check_receipt(receipt: Receipt, log_key: VerifyKey, witnesses: Sequence[VerifyKey] = ()) -> CheckedReceipt:
    """Verify the whole receipt against a key of the log that the caller trusts.

    How many of the witnesses suffice is the caller's to judge. Raises ParseError, SignatureInvalid or ProofInvalid.
    Codes begin with `entry_` or `operator_` where the fault is in one of the two entries, as in
    `operator_inclusion_root`; the others are `receipt_log`, `receipt_operator`, `opening_*` and those of
    `open_witnessed`.
    """
    if receipt.log_vkey != log_key.vkey:
        raise SignatureInvalid(
            "receipt_log", f"the receipt is of log key {receipt.log_vkey[:80]!r}, not {log_key.vkey!r}"
        )
    head = open_witnessed(receipt.proof.checkpoint, log_key, witnesses)
    operator = receipt.operator
    with _about("operator"):
        _, registration = _check_entry(operator.statement, operator.index, operator.hashes, head.checkpoint)
        payload = registration.payload
        if not isinstance(payload, OperatorStatement) or payload.action != "register":
            raise SignatureInvalid("not_registration", "the operator's entry does not register a key")
        check_signed_by(registration, payload)
    with _about("entry"):
        leaf, statement = _check_entry(receipt.statement, receipt.proof.index, receipt.proof.hashes, head.checkpoint)
        check_signed_by(statement, payload)
    if operator.index > receipt.proof.index:
        raise SignatureInvalid("receipt_operator", "the operator's key was registered only after the entry was logged")
    opened = None if receipt.opening is None else _check_opening(receipt.opening, statement)
    return CheckedReceipt(statement, payload, receipt.proof.index, leaf, head.checkpoint, head.cosignatures, opened)


def _check_entry(data: bytes, index: int, hashes: Sequence[bytes], head: Checkpoint) -> tuple[bytes, SignedStatement]:
    """Leaf hash and statement of an entry that is in the tree."""
    leaf = leaf_hash(data)
    check_inclusion(leaf, index, head.size, hashes, head.root)
    return leaf, open_statement(data)


def _check_opening(opening: Opening, statement: SignedStatement) -> Opened:
    payload = statement.payload
    if not isinstance(payload, GenerationStatement):
        raise ProofInvalid("opening", f"a statement of type '{payload.type}' has no content to open")
    prompt = output = None
    if opening.prompt is not None:
        check_commitment("prompt", opening.prompt.salt, opening.prompt.content, payload.prompt_commitment)
        prompt = parse_prompt_content(opening.prompt.content)
        _check_count("prompt", len(prompt.ids), payload.prompt_tokens)
    if opening.output is not None:
        check_commitment("output", opening.output.salt, opening.output.content, payload.output_commitment)
        output = parse_output_content(opening.output.content)
        _check_count("output", len(output.ids), payload.output_tokens)
    return Opened(prompt, output)


def _check_count(part: str, found: int, stated: int) -> None:
    if found != stated:
        raise ProofInvalid(f"opening_{part}_tokens", f"the {part} has {found} tokens, the statement says {stated}")


@contextmanager
def _about(part: str) -> Iterator[None]:
    """Name the entry that a fault inside is about, in code and message."""
    try:
        yield
    except (ParseError, SignatureInvalid, ProofInvalid) as error:
        raise type(error)(f"{part}_{error.code}", f"receipt field '{part}': {error}") from None


# JSON


def _format_entry(index: int, statement: bytes, hashes: Sequence[bytes]) -> dict[str, Any]:
    proof = [format_base64(item) for item in hashes]
    return {"index": index, "statement": format_base64(statement), "proof": proof}


def _parse_entry(value: object, where: str) -> tuple[int, bytes, tuple[bytes, ...]]:
    fields = _object(value, where, ("index", "statement", "proof"))
    index, proof = fields["index"], fields["proof"]
    if type(index) is not int:
        raise ParseError(f"{where}_index", f"{where}_index is not an integer")
    if not isinstance(proof, list) or len(proof) > PROOF_HASHES_MAX:
        raise ParseError(f"{where}_proof", f"{where}_proof is not a list of at most {PROOF_HASHES_MAX} hashes")
    hashes = tuple(_octets(item, f"{where}_proof", HASH_BYTES) for item in proof)
    return index, _octets(fields["statement"], f"{where}_statement", STATEMENT_BYTES_MAX), hashes


def _format_opening(opening: Opening) -> dict[str, Any]:
    parts = {"prompt": opening.prompt, "output": opening.output}
    return {
        name: part and {"salt": format_base64(part.salt), "content": format_base64(part.content)}
        for name, part in parts.items()
    }


def _parse_opening(value: object) -> Opening:
    fields = _object(value, "receipt_opening", ("prompt", "output"))
    return Opening(
        *(
            None if fields[part] is None else _parse_salted(fields[part], f"receipt_opening_{part}")
            for part in ("prompt", "output")
        )
    )


def _parse_salted(value: object, where: str) -> SaltedContent:
    fields = _object(value, where, ("salt", "content"))
    salt = _octets(fields["salt"], f"{where}_salt", SALT_BYTES)
    if len(salt) != SALT_BYTES:
        raise ParseError(f"{where}_salt", f"{where}_salt has {len(salt)} bytes, not {SALT_BYTES}")
    return SaltedContent(salt, _octets(fields["content"], f"{where}_content", CONTENT_BYTES_MAX))


def _object(value: object, where: str, names: Sequence[str]) -> Mapping[str, Any]:
    """`value`, if it is an object with exactly these keys."""
    if not isinstance(value, dict):
        raise ParseError(where, f"{where} is not a JSON object")
    for name in names:
        if name not in value:
            raise ParseError(f"{where}_{name}", f"{where} has no field '{name}'")
    if len(value) != len(names):
        extra = next(name for name in value if name not in names)
        raise ParseError(f"{where}_unknown_field", f"{where} has a field that is not known: {extra!r:.60}")
    return value


def _string(value: object, code: str) -> str:
    if not isinstance(value, str):
        raise ParseError(code, f"{code} is not a string")
    return value


def _utf8(text: str, code: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ParseError(code, f"{code} holds a lone surrogate") from None


def _octets(value: object, code: str, bytes_max: int) -> bytes:
    """Canonical base64 of at most `bytes_max` bytes."""
    text = _string(value, code)
    if len(text) > (bytes_max + 2) // 3 * 4:
        raise ParseError(code, f"{code} is longer than {bytes_max} bytes")
    return parse_base64(text, code, code)
