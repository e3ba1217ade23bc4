"""The part of the whole-log check that looks at one entry: its hash, its statement, its signature, its columns."""

from collections import OrderedDict
from collections.abc import Callable

from sqlalchemy import Connection

from ledger import registry_store, store
from ledger.errors import LedgerError
from ledger.merkle import leaf_hash
from ledger.statement import (
    ErasureStatement,
    GenerationStatement,
    ModelStatement,
    OperatorStatement,
    Payload,
    ReplayStatement,
    SignedStatement,
    check_signed_by,
    is_registration,
    open_statement,
)
from ledger.store import EntryRow

CACHED_MAX = 4096  # registrations remembered

ReportFault = Callable[[str, int | None, str], None]  # code, leaf index, message


def check_leaf(row: EntryRow, fault: ReportFault) -> None:
    """Reports a statement that is not the one of its leaf."""
    if leaf_hash(row.statement) != row.leaf_hash:
        index = row.leaf_index
        fault("leaf_hash", index, f"the statement of entry {index} was altered: it does not hash to its leaf")


class EntryChecker:
    """Checks entries in the order of the log. It trusts no column and no cache of the log."""

    def __init__(self, fault: ReportFault) -> None:
        self._fault = fault
        self._registrations: OrderedDict[int, SignedStatement | None] = OrderedDict()
        self._models: OrderedDict[bytes, int | None] = OrderedDict()
        self._ends: OrderedDict[int, int | None] = OrderedDict()

    def check(self, connection: Connection, row: EntryRow) -> None:
        """Reports everything that is wrong with one entry."""
        index = row.leaf_index
        check_leaf(row, self._fault)
        try:
            signed = open_statement(row.statement)
        except LedgerError as error:
            self._fault(error.code, index, f"entry {index} does not parse: {error}")
            return
        self._check_columns(row, signed.payload)
        self._check_signature(connection, row, signed)
        self._check_registration(connection, row, signed)
        if isinstance(signed.payload, ReplayStatement | ErasureStatement):
            self._check_subject(connection, row, signed.payload)

    def _check_columns(self, row: EntryRow, payload: Payload) -> None:
        subject_index = payload.entry_index if isinstance(payload, ReplayStatement | ErasureStatement) else None
        expected = {
            "kind": payload.type,
            "counter": payload.counter,
            "time": payload.time,
            "subject_index": subject_index,
        }
        for name, value in expected.items():
            if getattr(row, name) != value:
                self._fault(
                    "entry_column",
                    row.leaf_index,
                    f"entry {row.leaf_index} has {name} {getattr(row, name)} in its row, its statement says {value}",
                )

    def _check_signature(self, connection: Connection, row: EntryRow, signed: SignedStatement) -> None:
        """That the entry which operator_index names registers the signer, is not later, and its key signed this."""
        index = row.leaf_index
        registration = self._registration(connection, row.operator_index)
        payload = registration.payload if registration is not None else None
        if not isinstance(payload, OperatorStatement) or not is_registration(payload) or row.operator_index > index:
            self._fault(
                "operator_index",
                index,
                f"entry {index} names entry {row.operator_index} as its operator's registration",
            )
            return
        try:
            check_signed_by(signed, payload)
        except LedgerError as error:
            self._fault(error.code, index, f"entry {index}: {error}")
        ended = self._end(connection, row.operator_index)
        if ended is not None and ended < index:
            self._fault("operator_ended", index, f"entry {index} is signed by a key that entry {ended} ended")

    def _check_registration(self, connection: Connection, row: EntryRow, signed: SignedStatement) -> None:
        """That the registry tables have what this entry adds, and that the model it uses was registered before it."""
        index, payload = row.leaf_index, signed.payload
        if isinstance(payload, OperatorStatement) and not is_registration(payload):
            if self._end(connection, row.operator_index) != index:
                self._fault("operator_end_row", index, f"the key that entry {index} ends is not listed as ended by it")
        elif isinstance(payload, OperatorStatement):
            found = registry_store.operator_indexes(connection, [signed.operator]).get(signed.operator)
            if found != index:
                self._fault("operator_row", index, f"the operator that entry {index} registers is listed under {found}")
        elif isinstance(payload, ModelStatement | GenerationStatement):
            first = self._model(connection, payload.model_root)
            if first is None or first > index:
                self._fault(
                    "model_row",
                    index,
                    f"the model of entry {index}, {payload.model_root.hex()}, is listed under {first}",
                )

    def _check_subject(
        self, connection: Connection, row: EntryRow, payload: ReplayStatement | ErasureStatement
    ) -> None:
        subject = store.entry_at(connection, payload.entry_index) if payload.entry_index < row.leaf_index else None
        if subject is None or subject.leaf_hash != payload.entry_leaf_hash:
            self._fault(
                "subject",
                row.leaf_index,
                f"entry {row.leaf_index} is about an entry {payload.entry_index} that is not so",
            )

    def _registration(self, connection: Connection, index: int) -> SignedStatement | None:
        """The statement at a leaf, None if it is missing or does not parse (which is a fault of that leaf)."""
        if index not in self._registrations:
            row = store.entry_at(connection, index)
            try:
                self._registrations[index] = open_statement(row.statement) if row is not None else None
            except LedgerError:
                self._registrations[index] = None
            if len(self._registrations) > CACHED_MAX:
                self._registrations.popitem(last=False)
        return self._registrations[index]

    def _end(self, connection: Connection, operator_index: int) -> int | None:
        """Leaf index of the statement that ended a key, None if it has not ended."""
        if operator_index not in self._ends:
            self._ends[operator_index] = registry_store.operator_end_indexes(connection, [operator_index]).get(
                operator_index
            )
            if len(self._ends) > CACHED_MAX:
                self._ends.popitem(last=False)
        return self._ends[operator_index]

    def _model(self, connection: Connection, model_root: bytes) -> int | None:
        """Leaf index of a model's first registration, None if it has none."""
        if model_root not in self._models:
            self._models[model_root] = registry_store.model_indexes(connection, [model_root]).get(model_root)
            if len(self._models) > CACHED_MAX:
                self._models.popitem(last=False)
        return self._models[model_root]
