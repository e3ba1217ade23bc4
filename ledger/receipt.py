"""The offline check of a receipt, from bytes alone: no I/O, no clock, no network.

What `check_receipt` establishes, in this order:
  * the receipt is of the log whose key the caller gave, and that key signed the checkpoint;
  * the operator's registration is in the tree, and is signed by the key that it registers;
  * the entry is in the tree, not before the registration, signed by that key within its validity;
  * each opened part, if any, is what the entry's commitment was made of, and has the stated number of tokens.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ledger.checkpoint import Checkpoint, open_witnessed
from ledger.commitment import (
    OutputContent,
    PromptContent,
    check_commitment,
    parse_output_content,
    parse_prompt_content,
)
from ledger.errors import ParseError, ProofInvalid, SignatureInvalid
from ledger.keys import VerifyKey
from ledger.merkle import check_inclusion, leaf_hash
from ledger.note import Verified
from ledger.payload import GenerationStatement, OperatorStatement
from ledger.receipt_file import RECEIPT_BYTES_MAX, Opening, OperatorEvidence, Receipt, SaltedContent
from ledger.statement import SignedStatement, check_signed_by, open_statement

__all__ = [
    "RECEIPT_BYTES_MAX",
    "CheckedReceipt",
    "Opened",
    "Opening",
    "OperatorEvidence",
    "Receipt",
    "SaltedContent",
    "check_receipt",
]


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
        _check_count("prompt_tokens", "prompt", len(prompt.ids), payload.prompt_tokens)
        _check_count("prompt_biases", "logit bias", len(prompt.bias), payload.sampling.logit_biases)
    if opening.output is not None:
        check_commitment("output", opening.output.salt, opening.output.content, payload.output_commitment)
        output = parse_output_content(opening.output.content)
        _check_count("output_tokens", "output", len(output.ids), payload.output_tokens)
    return Opened(prompt, output)


def _check_count(code: str, part: str, found: int, stated: int) -> None:
    if found != stated:
        raise ProofInvalid(f"opening_{code}", f"the {part} has {found} tokens, the statement says {stated}")


@contextmanager
def _about(part: str) -> Iterator[None]:
    """Name the entry that a fault inside is about, in code and message."""
    try:
        yield
    except (ParseError, SignatureInvalid, ProofInvalid) as error:
        raise type(error)(f"{part}_{error.code}", f"receipt field '{part}': {error}") from None
