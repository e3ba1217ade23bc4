"""The receipt file: everything for an offline check of one log entry, unverified, in its one JSON form.

    {
      "format": "rail-receipt/1",
      "log": "rail.example/log1+7fd7bc70+AQOhB7/z...",                  vkey of the log
      "entry": {"index": 2, "statement": base64, "proof": [base64, ...]},
      "operator": {"index": 0, "statement": base64, "proof": [base64, ...]},
      "checkpoint": "rail.example/log1\\n5\\nlPvQ...",                  signed note, of both proofs
      "opening": {"prompt": {"salt": base64, "content": base64}, "output": {...}}
    }

`opening` and each part of it may be null: without it the receipt proves the entry and reveals nothing of the content.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from ledger.commitment import CONTENT_BYTES_MAX, SALT_BYTES
from ledger.encoding import format_base64
from ledger.errors import ParseError
from ledger.json_fields import json_object, json_octets, json_string, json_utf8
from ledger.keys import VerifyKey
from ledger.merkle import HASH_BYTES, PROOF_HASHES_MAX
from ledger.proof import TlogProof
from ledger.statement import STATEMENT_BYTES_MAX

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
        fields = json_object(value, "receipt", ("format", "log", "entry", "operator", "checkpoint", "opening"))
        if fields["format"] != FORMAT:
            raise ParseError(
                "receipt_format", f"the receipt's format is {fields['format']!r:.60} instead of {FORMAT!r}"
            )
        log_vkey = json_string(fields["log"], "receipt_log")
        VerifyKey.parse(log_vkey)
        checkpoint = json_utf8(json_string(fields["checkpoint"], "receipt_checkpoint"), "receipt_checkpoint")
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


def _format_entry(index: int, statement: bytes, hashes: Sequence[bytes]) -> dict[str, Any]:
    proof = [format_base64(item) for item in hashes]
    return {"index": index, "statement": format_base64(statement), "proof": proof}


def _parse_entry(value: object, where: str) -> tuple[int, bytes, tuple[bytes, ...]]:
    fields = json_object(value, where, ("index", "statement", "proof"))
    index, proof = fields["index"], fields["proof"]
    if type(index) is not int:
        raise ParseError(f"{where}_index", f"{where}_index is not an integer")
    if not isinstance(proof, list) or len(proof) > PROOF_HASHES_MAX:
        raise ParseError(f"{where}_proof", f"{where}_proof is not a list of at most {PROOF_HASHES_MAX} hashes")
    hashes = tuple(json_octets(item, f"{where}_proof", HASH_BYTES) for item in proof)
    return index, json_octets(fields["statement"], f"{where}_statement", STATEMENT_BYTES_MAX), hashes


def _format_opening(opening: Opening) -> dict[str, Any]:
    parts = {"prompt": opening.prompt, "output": opening.output}
    return {
        name: part and {"salt": format_base64(part.salt), "content": format_base64(part.content)}
        for name, part in parts.items()
    }


def _parse_opening(value: object) -> Opening:
    fields = json_object(value, "receipt_opening", ("prompt", "output"))
    return Opening(
        *(
            None if fields[part] is None else _parse_salted(fields[part], f"receipt_opening_{part}")
            for part in ("prompt", "output")
        )
    )


def _parse_salted(value: object, where: str) -> SaltedContent:
    fields = json_object(value, where, ("salt", "content"))
    salt = json_octets(fields["salt"], f"{where}_salt", SALT_BYTES)
    if len(salt) != SALT_BYTES:
        raise ParseError(f"{where}_salt", f"{where}_salt has {len(salt)} bytes, not {SALT_BYTES}")
    return SaltedContent(salt, json_octets(fields["content"], f"{where}_content", CONTENT_BYTES_MAX))
