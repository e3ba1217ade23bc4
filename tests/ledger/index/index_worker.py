"""A process that catches up or rebuilds an index over and over, for the tests of several at once and of killed ones.

    python index_worker.py DATABASE_URL COUNT catch_up|rebuild

The log is the made-up one of `log_of`. Prints a line before it starts; small batches make many transactions.
"""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3]), str(Path(__file__).resolve().parent)]

from index_samples import Record, Source, prose  # noqa: E402

from ledger.database import Database  # noqa: E402
from ledger.index import ContentIndex  # noqa: E402
from ledger.index import index as index_module  # noqa: E402


def log_of(count: int) -> Source:
    return Source({number: Record(prose(number, 40), prose(number, 10)) for number in range(count)})


def main(url: str, count: int, action: str) -> None:
    index_module.BATCH_RECORDS = 5
    index = ContentIndex(Database(url).engine)
    source = log_of(count)
    print("ready", flush=True)
    added = index.catch_up(source) if action == "catch_up" else 0
    while action == "rebuild":
        index.rebuild(source)
    print(added, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
