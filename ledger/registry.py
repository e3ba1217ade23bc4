"""The operators that a log knows, with a cache: registrations never change."""

import threading
from collections import OrderedDict

from sqlalchemy import Connection

from ledger import registry_store, store
from ledger.errors import StoreError
from ledger.statement import OperatorStatement, is_registration, open_statement

CACHED_MAX = 4096


class Registry:
    """Finds registrations by operator id or by leaf index. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._index_of: OrderedDict[bytes, int] = OrderedDict()
        self._cache: OrderedDict[int, tuple[bytes, OperatorStatement]] = OrderedDict()

    def cached(self, operator_id: bytes) -> OperatorStatement | None:
        """The registration if it is in the cache: no connection needed."""
        with self._lock:
            index = self._index_of.get(operator_id)
            return self._cache[index][1] if index is not None else None

    def find(self, connection: Connection, operator_id: bytes) -> tuple[int, OperatorStatement] | None:
        """(leaf index, registration) of an operator, or None if it is not registered."""
        with self._lock:
            index = self._index_of.get(operator_id)
        if index is None:
            index = registry_store.operator_indexes(connection, [operator_id]).get(operator_id)
            if index is None:
                return None
        return index, self.at(connection, index)[1]

    def at(self, connection: Connection, leaf_index: int) -> tuple[bytes, OperatorStatement]:
        """(operator id, registration) at a leaf that holds one."""
        with self._lock:
            known = self._cache.get(leaf_index)
        if known is not None:
            return known
        row = store.entry_at(connection, leaf_index)
        signed = open_statement(row.statement) if row is not None else None
        if signed is None or not isinstance(signed.payload, OperatorStatement) or not is_registration(signed.payload):
            raise StoreError("registration_missing", f"entry {leaf_index} should register an operator; run fsck")
        known = signed.operator, signed.payload
        with self._lock:
            self._cache[leaf_index] = known
            self._index_of[signed.operator] = leaf_index
            while len(self._cache) > CACHED_MAX:
                _, (operator_id, _) = self._cache.popitem(last=False)
                del self._index_of[operator_id]
        return known
