"""What an index holds, whatever segments it is in."""

from sqlalchemy import Connection, text

from ledger.database import Database
from ledger.index.segments import PARTS, Kind, Snapshot, part_of, read_parts, read_segments
from ledger.index.tables import records, state, vocabulary

Row = tuple[object, ...]


def rows(database: Database) -> dict[str, list[Row]]:
    """All that the index holds, but for the epoch, which only grows; postings and terms by key and record."""
    with database.read() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        tables = {"state": state, "records": records, "vocabulary": vocabulary}
        found = {name: sorted(map(tuple, connection.execute(table.select()))) for name, table in tables.items()}
        found["postings"], found["terms"] = entries(connection, "postings"), entries(connection, "terms")
    found["state"] = [(row[1], row[2], row[4]) for row in found["state"]]
    return found


def entries(connection: Connection, kind: Kind) -> list[Row]:
    """(key, record, edges) of all that some segment answers for; what two answer for is there twice."""
    snapshot, found = Snapshot(connection), []
    for segment in read_segments(connection):
        columns = read_parts(connection, kind, segment, 0, PARTS)
        for entry in zip(columns.keys.tolist(), columns.records.tolist(), columns.edges.tolist(), strict=True):
            if snapshot._answers(segment, part_of(kind, entry[0])):
                found.append(entry)
    return sorted(found)
