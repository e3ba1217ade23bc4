"""Statements made elsewhere: from a request's body to the log."""

import binascii
from base64 import b64decode, b64encode

from ledger.content import Content
from ledger.errors import StatementRefused
from ledger.log import Entry
from ledger.statement import ErasureStatement, GenerationStatement, open_statement
from web.errors import RequestError
from web.indexing import keep_up
from web.schemas import ContentIn, RecordIn
from web.services import Services


def submit(services: Services, statement: bytes, content: Content | None) -> Entry:
    """Log a signed statement with its content, if any, and make it findable. The same one again is not new.

    Raises LedgerError. Returns when the entry is durable.
    """
    if content is not None:
        _check_prompt_text(services, statement, content)
    entry = services.log.submit(statement, content)
    if content is not None:
        keep_up(services.index, services.log)
    payload = open_statement(statement).payload
    if isinstance(payload, ErasureStatement):
        services.index.remove(payload.entry_index)
    return entry


def _check_prompt_text(services: Services, statement: bytes, content: Content) -> None:
    """Refuse a prompt shown to readers that is not the one committed to: the commitment covers only its token ids.

    Only for the loaded model: another one's vocabulary is not at hand.
    """
    payload = open_statement(statement).payload
    if not isinstance(payload, GenerationStatement) or payload.model_root != services.engine.model.root:
        return
    if services.generation.prompt_text(content.prompt_ids) != content.prompt_text:
        raise StatementRefused("content_prompt_text", "the content's prompt_text is not what its prompt_ids say")


def decode_record(body: RecordIn) -> tuple[bytes, Content | None]:
    """Statement and content of a JSON submission. RequestError `invalid_base64`, StatementRefused `content_*`."""
    statement = decode_base64(body.statement, "statement")
    return statement, _content(body.content) if body.content is not None else None


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
    )


def decode_base64(text: str, param: str) -> bytes:
    """Canonical base64 with padding, nothing else. RequestError `invalid_base64`."""
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or b64encode(data).decode("ascii") != text:
        raise RequestError("invalid_base64", f"{param} is not base64 in its standard, padded form", 400, param)
    return data
