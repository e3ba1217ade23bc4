"""Statements made elsewhere: from a request's body to the log."""

import binascii
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence

from ledger.commitment import Biases
from ledger.content import Content
from ledger.errors import StatementRefused, at_position
from ledger.index import echo_permille, fingerprint_root
from ledger.log import SUBMIT_STATEMENTS_MAX, Entry
from ledger.merkle import leaf_hash
from ledger.statement import ErasureStatement, GenerationStatement, open_statement
from ledger.submission import prepare
from ledger.tiles import split_bundle
from web.backups import erase_in_backups
from web.errors import RequestError
from web.indexing import keep_up
from web.schemas import BatchIn, ContentIn, RecordIn
from web.services import Services

Item = tuple[bytes, Content | None]


def submit(services: Services, statement: bytes, content: Content | None, invitation: str | None = None) -> Entry:
    """Log a signed statement with its content, if any, and make it findable. The same one again is not new.

    `invitation`: the code of an invitation to this log, where its host asks for one. Raises LedgerError, RequestError.
    Returns when the entry is durable.
    """
    return submit_group(services, [(statement, content)], invitation)[0]


def submit_group(services: Services, items: Sequence[Item], invitation: str | None = None) -> list[Entry]:
    """The same for several statements: all of them, side by side and in order, or none.

    The LedgerError of a group says by `position` which statement it concerns.
    """
    if services.gate.is_open():
        return _append(services, items)
    signed = []
    for position, (statement, _) in enumerate(items):
        with at_position(position):
            signed.append(open_statement(statement))
    with services.gate.guest(invitation):
        try:
            services.gate.enter(signed, invitation)
        except RequestError:
            # A retry of what was taken is answered, whatever the host decided since.
            if any(services.log.find(leaf_hash(statement)) is None for statement, _ in items):
                raise
        entries = _append(services, items)
        services.gate.entered(signed, invitation, [entry.new for entry in entries])
    return entries


def _append(services: Services, items: Sequence[Item]) -> list[Entry]:
    for position, (statement, content) in enumerate(items):
        if content is not None:
            with at_position(position):
                _check_claims(services, statement, content)
    entries = services.signer.appender.submit_many(items)
    if any(content is not None for _, content in items):
        keep_up(services.index, services.log)
    for entry in entries:
        if entry.type == ErasureStatement.type:
            erased = erased_by(entry.statement)
            services.index.remove(erased)
            erase_in_backups(services.settings.home, erased, services.log.vkey)
    return entries


def erased_by(statement: bytes) -> int:
    """Index of the entry whose content an erasure statement erases."""
    payload = open_statement(statement).payload
    assert isinstance(payload, ErasureStatement)
    return payload.entry_index


def _check_claims(services: Services, statement: bytes, content: Content) -> None:
    """Refuse what a statement says of its content where the content shows otherwise: StatementRefused `content_*`.

    The commitments cover only token ids and output bytes. So the prompt's text is compared with its ids, for the
    loaded model only (another one's vocabulary is not at hand), and echo and fingerprint root are computed again.
    That costs more than the ledger's own checks, which therefore come first.
    """
    payload = prepare(statement, content, services.log.operator, int(time.time())).signed.payload
    assert isinstance(payload, GenerationStatement)  # nothing else has content
    loaded = payload.model_root == services.engine.model.root
    if loaded and services.generation.prompt_text(content.prompt_ids) != content.prompt_text:
        raise StatementRefused("content_prompt_text", "the content's prompt_text is not what its prompt_ids say")
    echo = echo_permille(content.prompt_text, content.output_text)
    if payload.echo_permille != echo:
        raise StatementRefused(
            "content_echo_permille",
            f"the statement's echo_permille is {payload.echo_permille}, the content's is {echo}",
        )
    if payload.fingerprint_root != fingerprint_root(content.output_text, content.output_salt):
        raise StatementRefused("content_fingerprint_root", "the statement's fingerprint_root is not the content's")


def decode_record(body: RecordIn) -> tuple[bytes, Content | None]:
    """Statement and content of a JSON submission. RequestError `invalid_base64`, StatementRefused `content_*`."""
    statement = decode_base64(body.statement, "statement")
    return statement, _content(body.content) if body.content is not None else None


def decode_batch(body: BatchIn) -> list[Item]:
    """Likewise for a JSON batch."""
    return [decode_record(record) for record in body.records]


def decode_statements(data: bytes) -> list[Item]:
    """Statements, each after its length in 16 bits, big-endian, as in an entry bundle. ParseError `bundle_length`."""
    return [(statement, None) for statement in split_bundle(data, SUBMIT_STATEMENTS_MAX)]


def _content(given: ContentIn) -> Content:
    return Content(
        prompt_text=given.prompt_text,
        prompt_ids=tuple(given.prompt_ids),
        prompt_salt=decode_base64(given.prompt_salt, "content.prompt_salt"),
        output_bytes=decode_base64(given.output_bytes, "content.output_bytes"),
        output_ids=tuple(given.output_ids),
        output_salt=decode_base64(given.output_salt, "content.output_salt"),
        stop=tuple(given.stop),
        visibility=given.visibility,
        logit_bias=_biases(given.logit_bias),
    )


def _biases(given: dict[str, int]) -> Biases:
    """Ids are decimal, without leading zeros. Their bounds are checked by Content."""
    if not all(re.fullmatch("0|[1-9][0-9]{0,9}", id) for id in given):
        raise StatementRefused("content_logit_bias", "a name in the content's logit_bias is not a token id")
    return tuple(sorted((int(id), bias) for id, bias in given.items()))


def decode_base64(text: str, param: str) -> bytes:
    """Canonical base64 with padding, nothing else. RequestError `invalid_base64`."""
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or b64encode(data).decode("ascii") != text:
        raise RequestError("invalid_base64", f"{param} is not base64 in its standard, padded form", 400, param)
    return data
