"""What a generation's commitments open to: prompt, output and salts. Kept outside the tree, and erasable.

A leaf holds only the two commitments. Without the salts they say nothing, so erasing a `Content` is final.
"""

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger import cbor
from ledger.commitment import (
    BIASES_MAX,
    SALT_BYTES,
    STOP_STRINGS_MAX,
    TOKEN_ID_MAX,
    Biases,
    are_biases,
    commit,
    output_content,
    prompt_content,
)
from ledger.errors import ParseError, StatementRefused

PUBLIC: Final = "public"  # the text is served
MATCHABLE: Final = "matchable"  # the text is not served, but a pasted text can be matched with it
PRIVATE: Final = "private"  # only a holder of the receipt can prove it
VISIBILITIES: Final = (PUBLIC, MATCHABLE, PRIVATE)

TEXT_BYTES_MAX: Final = 2 << 20  # of the prompt's UTF-8, and of the output
TOKENS_MAX: Final = 1 << 20
STOP_CHARS_MAX: Final = 64
BODY_BYTES_MAX: Final = 16 << 20  # more than the fields above can fill

_ACCESS_DOMAIN: Final = b"rail/receipt-access/v1\0"


@dataclass(frozen=True, slots=True)
class Content:
    """Prompt and output of one generation with the salts of its commitments.

    StatementRefused `content_<field>` if a field is out of bounds.

    `prompt_text` is for readers; the commitment covers `prompt_ids`, not the text.
    """

    prompt_text: str
    prompt_ids: tuple[int, ...]
    prompt_salt: bytes
    output_bytes: bytes
    output_ids: tuple[int, ...]
    output_salt: bytes
    stop: tuple[str, ...]
    visibility: str  # one of VISIBILITIES
    logit_bias: Biases = ()

    def __post_init__(self) -> None:
        _check_text("prompt_text", self.prompt_text)
        _check_bytes("output_bytes", self.output_bytes, 0, TEXT_BYTES_MAX)
        _check_bytes("prompt_salt", self.prompt_salt, SALT_BYTES, SALT_BYTES)
        _check_bytes("output_salt", self.output_salt, SALT_BYTES, SALT_BYTES)
        _check_ids("prompt_ids", self.prompt_ids)
        _check_ids("output_ids", self.output_ids)
        _check_stop(self.stop)
        if not are_biases(self.logit_bias):
            raise _refused("logit_bias", f"is not at most {BIASES_MAX} pairs of a rising token id and millionths")
        if self.visibility not in VISIBILITIES:
            raise _refused("visibility", f"is not one of {', '.join(VISIBILITIES)}")

    def prompt_commitment(self) -> bytes:
        """The commitment that the statement must hold: 32 bytes."""
        return commit("prompt", self.prompt_salt, prompt_content(self.prompt_ids, self.stop, self.logit_bias))

    def output_commitment(self) -> bytes:
        """The commitment that the statement must hold: 32 bytes."""
        return commit("output", self.output_salt, output_content(self.output_ids, self.output_bytes))

    @property
    def output_text(self) -> str:
        """The output for readers; bytes that are not UTF-8 become U+FFFD."""
        return self.output_bytes.decode("utf-8", errors="replace")

    def access_key(self) -> str:
        """64 hex digits that only a holder of the output salt can name: fetches the opening of a non-public record."""
        return sha256(_ACCESS_DOMAIN + self.output_salt).hexdigest()


def encode_content(content: Content) -> bytes:
    """The body of the content's row: CBOR of everything but the visibility, which is a column of its own."""
    return cbor.encode(
        [
            content.prompt_text,
            _pack_ids(content.prompt_ids),
            content.prompt_salt,
            content.output_bytes,
            _pack_ids(content.output_ids),
            content.output_salt,
            list(content.stop),
            *([dict(content.logit_bias)] if content.logit_bias else []),
        ]
    )


def decode_content(body: bytes, visibility: str) -> Content:
    """Inverse of `encode_content`; ParseError (`content_body`) for anything that it did not make."""
    try:
        fields: Any = cbor.decode(body, BODY_BYTES_MAX)
        prompt_text, prompt_ids, prompt_salt, output_bytes, output_ids, output_salt, stop, *bias = fields
        return Content(
            prompt_text=prompt_text,
            prompt_ids=_unpack_ids(prompt_ids),
            prompt_salt=prompt_salt,
            output_bytes=output_bytes,
            output_ids=_unpack_ids(output_ids),
            output_salt=output_salt,
            stop=tuple(stop),
            visibility=visibility,
            logit_bias=_unpack_biases(*bias) if bias else (),
        )
    except (ParseError, StatementRefused, TypeError, ValueError, AttributeError, struct.error) as error:
        raise ParseError("content_body", f"stored content does not parse: {error}") from None


def _pack_ids(ids: tuple[int, ...]) -> bytes:
    """Token ids as 32-bit little-endian numbers: a long text parses at the speed of a copy."""
    return struct.pack(f"<{len(ids)}I", *ids)


def _unpack_ids(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 4}I", packed)


def _unpack_biases(bias: dict[int, int]) -> Biases:
    if not bias:
        raise ValueError("no biases have no place")
    return tuple(bias.items())


def _check_text(field: str, value: str) -> None:
    if not isinstance(value, str):
        raise _refused(field, "is not a text")
    try:
        size = len(value.encode("utf-8")) if len(value) <= TEXT_BYTES_MAX else len(value)
    except UnicodeEncodeError:
        raise _refused(field, "holds a lone surrogate, which no UTF-8 text has") from None
    if size > TEXT_BYTES_MAX:
        raise _refused(field, f"has {size} bytes; the limit is {TEXT_BYTES_MAX}")


def _check_bytes(field: str, value: bytes, least: int, most: int) -> None:
    if not isinstance(value, bytes) or not least <= len(value) <= most:
        raise _refused(field, f"is not a byte string of {least} to {most} bytes")


def _check_ids(field: str, ids: tuple[int, ...]) -> None:
    if not isinstance(ids, tuple) or len(ids) > TOKENS_MAX:
        raise _refused(field, f"is not a tuple of at most {TOKENS_MAX} token ids")
    if set(map(type, ids)) - {int} or not 0 <= min(ids, default=0) <= max(ids, default=0) <= TOKEN_ID_MAX:
        raise _refused(field, f"holds something that is no token id in 0..{TOKEN_ID_MAX}")


def _check_stop(stop: tuple[str, ...]) -> None:
    if not isinstance(stop, tuple) or len(stop) > STOP_STRINGS_MAX:
        raise _refused("stop", f"is not a tuple of at most {STOP_STRINGS_MAX} stop strings")
    for item in stop:
        _check_text("stop", item)
        if not 1 <= len(item) <= STOP_CHARS_MAX:
            raise _refused("stop", f"holds a stop string that has not 1 to {STOP_CHARS_MAX} characters")


def _refused(field: str, reason: str) -> StatementRefused:
    return StatementRefused(f"content_{field}", f"the content's {field} {reason}")
