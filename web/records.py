"""Records and models by the names that URLs give them, and their receipts."""

import re
from hmac import compare_digest

from ledger.content import Content
from ledger.cose_receipt import CoseReceipt, issue
from ledger.log import Entry
from ledger.reader import OperatorStanding
from ledger.receipt import Receipt
from ledger.statement import ModelStatement
from web.errors import RequestError
from web.request_log import note_leaf
from web.services import Services

_INDEX = re.compile("0|[1-9][0-9]{0,18}", re.ASCII)
_HASH = re.compile("[0-9a-f]{64}", re.ASCII)


def find_record(services: Services, name: str) -> Entry:
    """The entry with this index or leaf hash. RequestError `invalid_record_id` (400) or `record_not_found` (404)."""
    if _INDEX.fullmatch(name) is not None:
        index = int(name)
        if index < services.log.size():
            note_leaf(index)
            return services.log.entry(index)
    elif _HASH.fullmatch(name) is not None:
        entry = services.log.find(bytes.fromhex(name))
        if entry is not None:
            note_leaf(entry.index)
            return entry
    else:
        raise RequestError(
            "invalid_record_id", "a record is named by its index or by its leaf hash in 64 hexadecimal digits", 400
        )
    raise RequestError("record_not_found", "the log has no such record", 404)


def find_model(services: Services, root: str) -> tuple[Entry, ModelStatement]:
    """The registration of the model with this root. RequestError `model_not_found` (404)."""
    if _HASH.fullmatch(root) is not None:
        found = services.log.model(bytes.fromhex(root))
        if found is not None:
            return found
    raise RequestError("model_not_found", "no model with this root is registered; a root is 64 hexadecimal digits", 404)


def find_operator(services: Services, name: str) -> OperatorStanding:
    """What the log knows of the operator with this id. RequestError `operator_not_found` (404)."""
    if _HASH.fullmatch(name) is not None:
        found = services.log.operator_standing(bytes.fromhex(name))
        if found is not None:
            return found
    raise RequestError(
        "operator_not_found", "no operator with this id is registered; an id is 64 hexadecimal digits", 404
    )


def receipt_of(services: Services, entry: Entry, key: str | None) -> Receipt:
    """The receipt of an entry, with the opening for a public record or for the holder of its access key.

    A wrong key is RequestError `wrong_access_key` (403), so that nobody takes a closed receipt for an open one.
    """
    content = services.log.content(entry.index)
    opened = may_open(content, key)
    if key is not None and not opened:
        raise RequestError(
            "wrong_access_key", "this key does not open the record, or its content was erased", 403, "key"
        )
    return services.log.receipt(entry.index, opened, services.publication.head_for(services.log, entry.index))


def cose_receipt_of(services: Services, entry: Entry) -> CoseReceipt:
    """The entry's COSE receipt in the present tree. NotFound `cose_receipt_size` while the log has one entry."""
    return issue(services.log.receipt(entry.index, False).proof, entry.leaf_hash, services.log_key)


def may_open(content: Content | None, key: str | None) -> bool:
    """Whether a caller with `key` may see `content`: it is public, or the key is its access key."""
    if content is None:
        return False
    if key is None:
        return content.visibility == "public"
    return content.visibility == "public" or compare_digest(content.access_key(), key)
