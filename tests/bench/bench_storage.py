"""Bytes a logged generation of 240 words costs, table by table, on SQLite and PostgreSQL: what SCALE.md reckons with.

    .venv/bin/python tests/bench/bench_storage.py [--count N] [--postgresql URL]

Prompts of 20 words, outputs of 240 made-up words, 27 and 320 token ids; indexes counted with their tables.
"""

import argparse
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "ledger"), str(TESTS / "ledger" / "index"), str(TESTS / "bench"), str(TESTS.parent)]

from bench_append import POSTGRESQL, postgresql_url, sqlite_url  # noqa: E402 - the path first
from index_samples import prose  # noqa: E402
from log_samples import LOG_KEY, ORIGIN, Item, Run  # noqa: E402
from sqlalchemy import Engine, text  # noqa: E402
from this_run import print_run  # noqa: E402

from ledger.index import ContentIndex  # noqa: E402
from ledger.log import Log  # noqa: E402
from ledger.statement import Sampling  # noqa: E402

GROUP = 500
SQLITE = (
    "SELECT coalesce(m.tbl_name, d.name), sum(d.pgsize) FROM dbstat d LEFT JOIN sqlite_master m USING (name) GROUP BY 1"
)
TABLES = (
    "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
)


def generations(run: Run, count: int) -> list[Item]:
    items: list[Item] = []
    for _ in range(count):
        number = run.counter
        content = run.content(
            number,
            prompt_text=prose(2 * number, 20),
            prompt_ids=tuple(range(5, 32)),
            output_bytes=prose(2 * number + 1, 240).encode(),
            output_ids=tuple((number * 7919 + i * 31) % 32_000 for i in range(320)),
        )
        sampling = Sampling(temperature_micro=700_000, top_k=0, top_p_micro=900_000, seed=number, max_tokens=320)
        items.append((run.sign(run.generation(content, sampling=sampling)), content))
    return items


def sizes(engine: Engine) -> dict[str, int]:
    """Bytes of each table with its indexes."""
    with engine.connect() as connection:
        rows = connection.execute(text(SQLITE if engine.dialect.name == "sqlite" else TABLES)).all()
    return {row[0]: row[1] for row in rows}


def measure(name: str, url: str, count: int) -> None:
    with Log.create(url, ORIGIN, LOG_KEY) as log:
        run = Run()
        log.submit_many(run.registrations())
        index = ContentIndex(log.engine)
        before = sizes(log.engine)
        for start in range(0, count, GROUP):
            log.submit_many(generations(run, min(GROUP, count - start)))
        index.catch_up(log)
        after = sizes(log.engine)
    for table, size in sorted(after.items(), key=lambda item: -item[1]):
        if grown := size - before.get(table, 0):
            print(f"{name:12}{table:20}{grown / count:12.1f}")
    print(f"{name:12}{'all':20}{sum(after.values()) / count - sum(before.values()) / count:12.1f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=5000, help="generations [default: %(default)s]")
    parser.add_argument("--postgresql", default=POSTGRESQL, metavar="URL", help="a server; empty: leave it out")
    arguments = parser.parse_args()
    print_run()
    print(f"\n{'database':12}{'table':20}{'bytes each':>12}")
    with sqlite_url(None) as url:
        measure("SQLite", url, arguments.count)
    if arguments.postgresql:
        with postgresql_url(arguments.postgresql) as url:
            measure("PostgreSQL", url, arguments.count)


if __name__ == "__main__":
    main()
