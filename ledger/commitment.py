"""Salted commitments to prompts and outputs: how a public entry can speak of content that it does not show.

    commitment = SHA-256("rail/commitment/v1" 0x00 || tag || 0x00 || salt || content)

    tag      ASCII, "prompt" or "output"
    salt     32 random bytes, kept beside the content and erased with it
    content  deterministic CBOR: {"ids": [...], "stop": [...]} of a prompt, with "bias": {id: millionths} where tokens
             have a bias; {"ids": [...], "bytes": h'..'} of an output

Tag and salt have fixed forms, so the hashed bytes split in one way only. Without the salt a commitment says nothing
about the content, however short it is.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from ledger import cbor
from ledger.errors import ParseError, ProofInvalid

Tag = Literal["prompt", "output"]

SALT_BYTES = 32
CONTENT_BYTES_MAX = 8 * 1024 * 1024
TOKEN_ID_MAX = 2**31 - 1
STOP_STRINGS_MAX = 16
BIASES_MAX = 300
BIAS_MICRO_MAX = 100_000_000

Biases = tuple[tuple[int, int], ...]
"""Token ids, rising, and what is added to their logits, in millionths."""

_DOMAIN = b"rail/commitment/v1\x00"


@dataclass(frozen=True, slots=True)
class PromptContent:
    """What was given to the model."""

    ids: tuple[int, ...]
    stop: tuple[str, ...]
    bias: Biases = ()


@dataclass(frozen=True, slots=True)
class OutputContent:
    """What the model gave: all sampled ids, and the bytes that were returned."""

    ids: tuple[int, ...]
    bytes: bytes


def new_salt() -> bytes:
    """A fresh random salt; use it for one commitment only."""
    return os.urandom(SALT_BYTES)


def commit(tag: Tag, salt: bytes, content: bytes) -> bytes:
    """The 32-byte commitment to canonical `content`."""
    if tag not in ("prompt", "output") or len(salt) != SALT_BYTES:
        raise ValueError(f"a commitment needs the tag 'prompt' or 'output' and {SALT_BYTES} bytes of salt")
    return sha256(_DOMAIN + tag.encode("ascii") + b"\x00" + salt + content).digest()


def check_commitment(tag: Tag, salt: bytes, content: bytes, commitment: bytes) -> None:
    """Raise ProofInvalid (`opening_<tag>`) unless salt and content open the commitment."""
    if commit(tag, salt, content) != commitment:
        raise ProofInvalid(f"opening_{tag}", f"the {tag} and its salt do not open the commitment in the statement")


def prompt_content(ids: Sequence[int], stop: Sequence[str] = (), bias: Biases = ()) -> bytes:
    """Canonical CBOR of a prompt's token ids, stop strings and biases; without biases there is no such key."""
    return cbor.encode({"ids": list(ids), "stop": list(stop), **({"bias": dict(bias)} if bias else {})})


def output_content(ids: Sequence[int], output: bytes) -> bytes:
    """Canonical CBOR of an output's token ids and bytes."""
    return cbor.encode({"ids": list(ids), "bytes": output})


def parse_prompt_content(content: bytes) -> PromptContent:
    """Inverse of `prompt_content`; raises ParseError (`cbor_*`, `opening_prompt_*`)."""
    match cbor.decode(content, CONTENT_BYTES_MAX):
        case {"ids": list(ids), "stop": list(stop), **rest} if rest.keys() <= {"bias"}:
            pass
        case _:
            raise ParseError(
                "opening_prompt_fields", "the prompt's content is not a map of 'ids', 'stop' and perhaps 'bias'"
            )
    if len(stop) > STOP_STRINGS_MAX or not all(isinstance(item, str) for item in stop):
        raise ParseError("opening_prompt_stop", f"'stop' is not a list of at most {STOP_STRINGS_MAX} strings")
    bias: Biases = ()
    if rest:
        bias = tuple(rest["bias"].items()) if isinstance(rest["bias"], dict) else ()
        if not bias or not are_biases(bias):
            raise ParseError("opening_prompt_bias", f"'bias' is not a map of 1 to {BIASES_MAX} ids to millionths")
    return PromptContent(_token_ids(ids, "opening_prompt_ids"), tuple(stop), bias)


def are_biases(value: object) -> bool:
    """Whether this is a value of `Biases` within its bounds: exactly one for each map."""
    if not isinstance(value, tuple) or len(value) > BIASES_MAX:
        return False
    before = -1
    for pair in value:
        if not isinstance(pair, tuple) or [type(item) for item in pair] != [int, int]:
            return False
        if not before < pair[0] <= TOKEN_ID_MAX or abs(pair[1]) > BIAS_MICRO_MAX:
            return False
        before = pair[0]
    return True


def parse_output_content(content: bytes) -> OutputContent:
    """Inverse of `output_content`; raises ParseError (`cbor_*`, `opening_output_*`)."""
    match cbor.decode(content, CONTENT_BYTES_MAX):
        case {"ids": list(ids), "bytes": bytes(output), **rest} if not rest:
            return OutputContent(_token_ids(ids, "opening_output_ids"), output)
    raise ParseError("opening_output_fields", "the output's content is not a map of exactly 'ids' and 'bytes'")


def _token_ids(ids: Sequence[object], code: str) -> tuple[int, ...]:
    if not all(isinstance(item, int) and 0 <= item <= TOKEN_ID_MAX for item in ids):
        raise ParseError(code, f"a token id is not an integer in 0..{TOKEN_ID_MAX}")
    return tuple(ids)  # type: ignore[arg-type]
