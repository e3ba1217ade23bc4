"""The index in a database: incremental, idempotent, removable, rebuilt to the same answers."""

from collections.abc import Collection, Iterator

import pytest
from index_rows import rows
from index_samples import Record, Source, check_spans, prose
from log_samples import Run
from sqlalchemy import text

from ledger.content import Content
from ledger.database import Database
from ledger.errors import ParseError, StoreError
from ledger.index import ContentIndex, Verdict
from ledger.index import index as index_module
from ledger.index.segments import Snapshot
from ledger.index.tables import metadata, vocabulary
from ledger.index.text import Text
from ledger.log import Log


def many(count: int, first: int = 0) -> Source:
    """Records of all visibilities, some short, some with prompts, with gaps between their numbers."""
    source = Source()
    for number in range(first, first + count):
        words = 5 if number % 7 == 3 else 40
        visibility = ("public", "matchable", "public", "private")[number % 4]
        source.records[3 * number] = Record(prose(number, words), f"Continue: {prose(number, 20)}", visibility)
    return source


def test_catch_up_is_incremental_and_idempotent(index: ContentIndex, database: Database) -> None:
    source = many(30)
    expected = sum(r.visibility != "private" and len(r.output_text.split()) > 5 for r in source.records.values())
    assert index.catch_up(source) == expected
    before = rows(database)
    assert index.catch_up(source) == 0
    assert ContentIndex(database.engine).catch_up(source) == 0
    assert rows(database) == before
    source.records |= many(10, first=30).records
    assert index.catch_up(source) > 0
    assert before["state"] != rows(database)["state"]


def test_batches_do_not_show(database: Database, index: ContentIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    source = many(30)
    index.catch_up(source)
    whole = rows(database)
    for records_max, chars_max in ((1, 10**6), (7, 10**6), (256, 1), (256, 700)):
        monkeypatch.setattr(index_module, "BATCH_RECORDS", records_max)
        monkeypatch.setattr(index_module, "BATCH_CHARS", chars_max)
        index.rebuild(source)
        assert rows(database) == whole


def test_both_databases_find_the_same(index: ContentIndex) -> None:
    source = many(30)
    index.catch_up(source)
    output = source.records[6].output_text
    assert index.verify(output, source).verdict == "exact"
    words = output.split()
    pasted = f"{prose(99, 10)} {' '.join(words[20:40])} {prose(98, 10)}"
    verdict = index.verify(pasted, source)
    check_spans(verdict, pasted, source)
    assert (verdict.verdict, verdict.records[0].record_id, verdict.longest_run_words) == ("excerpt", 6, 20)
    assert verdict.records[0].echo_permille == 500
    assert index.verify(prose(97, 50), source).verdict == "none"


def test_rebuild_gives_the_same_answers(index: ContentIndex, database: Database) -> None:
    source = many(30)
    index.catch_up(source)
    del source.records[6]
    index.remove(6)
    texts = [record.output_text[40:] for record in source.records.values()]
    before = [index.verify(text, source) for text in texts]
    index.rebuild(source)
    assert [index.verify(text, source) for text in texts] == before


def test_rebuild_gives_the_rows_of_a_new_index(index: ContentIndex, database: Database) -> None:
    """In one batch what came in several, and without the traces that an erased record leaves in the vocabulary."""
    source = Source()
    for part in range(3):
        source.records |= many(10, 10 * part).records
        index.catch_up(source)
    incremental = rows(database)
    index.rebuild(source)
    assert rows(database) == incremental
    del source.records[6]
    index.remove(6)
    index.rebuild(source)
    rebuilt = rows(database)
    with database.write() as connection:
        metadata.drop_all(connection)
    ContentIndex(database.engine).catch_up(source)
    assert rows(database) == rebuilt


def test_tables_of_an_older_version_are_made_anew(index: ContentIndex, database: Database) -> None:
    source = many(10)
    index.catch_up(source)
    whole = rows(database)
    with database.write() as connection:
        vocabulary.drop(connection)
        connection.execute(text("ALTER TABLE index_records DROP COLUMN term_places"))
    again = ContentIndex(database.engine)
    assert again.verify(prose(999, 60), source).reason_code == "index_incomplete"
    again.catch_up(source)
    assert rows(database) == whole


def test_remove_drops_a_record_from_every_table(index: ContentIndex, database: Database) -> None:
    source = many(10)
    index.catch_up(source)
    with_it = rows(database)
    erased = source.records.pop(6)
    index.remove(6)
    after = rows(database)
    assert after["records"] == [row for row in with_it["records"] if row[0] != 6]
    assert after["postings"] == [row for row in with_it["postings"] if row[1] != 6]
    assert after["terms"] == [row for row in with_it["terms"] if row[1] != 6]
    assert len(after["postings"]) < len(with_it["postings"])
    assert len(after["terms"]) < len(with_it["terms"])
    assert index.verify(erased.output_text, source).verdict == "none"
    index.remove(6)
    index.remove(10**9)
    assert rows(database) == after


def test_erased_content_is_not_found_before_its_removal(index: ContentIndex) -> None:
    source = many(10)
    index.catch_up(source)
    erased = source.records.pop(6)
    assert index.verify(erased.output_text, source).verdict == "none"
    assert index.verify(f"{erased.output_text} {prose(99, 9)}", source).verdict == "none"


def test_record_made_private_later_is_not_found(index: ContentIndex) -> None:
    source = many(10)
    index.catch_up(source)
    output = source.records[6].output_text
    source.records[6] = Record(output, visibility="private")
    assert index.verify(output, source).verdict == "none"


def test_batch_read_before_an_erasure_is_read_again(index: ContentIndex, database: Database) -> None:
    """The erasure falls between the reading of a batch and its transaction."""
    source = many(10)

    class Erasing(Source):
        def contents(self, after_index: int) -> Iterator[tuple[int, Record]]:
            yield from list(super().contents(after_index))
            if 6 in self.records:
                del self.records[6]
                index.remove(6)

    index.catch_up(Erasing(source.records))
    assert 6 not in {row[0] for row in rows(database)["records"]}
    assert 6 not in {row[1] for row in rows(database)["postings"]}


def test_unfinished_index_does_not_say_none(
    index: ContentIndex, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = many(10)
    known, late = source.records[0].output_text, source.records[24].output_text
    assert _reason(index.verify(known, source)) == "index_incomplete"  # never caught up
    index.catch_up(source)
    monkeypatch.setattr(index_module, "BATCH_RECORDS", 2)

    class Failing(Source):
        def contents(self, after_index: int) -> Iterator[tuple[int, Record]]:
            if after_index > 10:
                raise StoreError("database_io", "the disk is gone")
            return super().contents(after_index)

    with pytest.raises(StoreError):
        index.rebuild(Failing(source.records))
    assert index.verify(known, source).verdict == "exact"
    assert _reason(index.verify(late, source)) == "index_incomplete"
    index.catch_up(source)
    assert index.verify(late, source).verdict == "exact"
    assert index.verify(prose(99, 30), source).verdict == "none"


def test_rebuild_during_a_check_does_not_say_none(index: ContentIndex) -> None:
    """The index is emptied between the lookup of the state and that of the fingerprints."""
    source = many(10)
    index.catch_up(source)
    words = source.records[6].output_text.split()

    class Emptying(Source):
        def contents_of(self, _indexes: Collection[int]) -> dict[int, Record]:
            index.rebuild(Source())
            return {}

    shared = Emptying(source.records)
    assert _reason(index.verify(" ".join(words), shared)) == "index_incomplete"


def test_rows_of_other_rules_are_rebuilt(index: ContentIndex, database: Database) -> None:
    source = many(10)
    index.catch_up(source)
    before = rows(database)
    with database.write() as connection:
        connection.execute(text("UPDATE index_state SET rules = 'rail-match/0 unicode/1.1'"))
        connection.execute(text("UPDATE index_records SET normal_digest = 0"))
    assert _reason(index.verify(prose(99, 30), source)) == "index_incomplete"
    index.catch_up(source)
    assert rows(database) == before


def test_colliding_digest_is_not_believed(index: ContentIndex, database: Database) -> None:
    source = many(10)
    index.catch_up(source)
    with database.write() as connection:
        connection.execute(
            text("UPDATE index_records SET raw_digest = (SELECT raw_digest FROM index_records WHERE record_id = 6)")
        )
    verdict = index.verify(source.records[6].output_text, source)
    assert [record.record_id for record in verdict.records] == [6]


def test_common_fingerprints_are_read_up_to_a_limit(index: ContentIndex, database: Database) -> None:
    """The query walks the index a bounded way for each hash, and reads the earliest records."""
    phrase = prose(1, 12)
    source = Source({number: Record(f"{phrase} {prose(number + 2, 20)}") for number in range(200)})
    index.catch_up(source)
    common = Text(phrase)
    hashes = common.shingles.hash_column[common.fingerprint_column]
    with database.read() as connection:
        snapshot = Snapshot(connection)
        found, everything = snapshot.postings_of(hashes, 10), snapshot.postings_of(hashes, 10**6)
        assert len(snapshot.postings_of(hashes[:0], 10)) == 0
    for value in hashes:
        ids = sorted(set(found.records[found.hashes == value].tolist()))
        known = sorted(set(everything.records[everything.hashes == value].tolist()))
        assert ids == known[:10]


def test_sqlite_looks_up_by_key(sqlite_url: str) -> None:
    database = Database(sqlite_url, create=True)
    ContentIndex(database.engine)
    with database.read() as connection:
        query = "SELECT t.* FROM json_each('[1]') AS w CROSS JOIN index_postings AS t ON t.block = w.value"
        steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    database.close()
    assert any("SEARCH t USING INTEGER PRIMARY KEY (rowid=?)" in step for step in steps), steps


def test_damaged_record_is_a_fault_of_the_store(index: ContentIndex) -> None:
    source = many(10)
    index.catch_up(source)

    class Damaged(Source):
        def contents_of(self, _indexes: Collection[int]) -> dict[int, Record]:
            raise ParseError("content_body", "stored content does not parse")

    with pytest.raises(StoreError) as caught:
        index.verify(source.records[6].output_text, Damaged(source.records))
    assert caught.value.code == "record_damaged"


def test_tables_are_the_index_s_own(index: ContentIndex) -> None:
    assert set(metadata.tables) == {
        f"index_{name}" for name in ("state", "records", "segments", "postings", "terms", "vocabulary")
    }


def test_real_log(log: Log, run: Run) -> None:
    """Over a log: only public and matchable outputs, erasure, and the prompt's share."""
    outputs = {name: prose(number, 60) for number, name in enumerate(("public", "matchable", "private"))}
    entries = {}
    for name, output in outputs.items():
        content: Content = run.content(run.counter, name, output_bytes=output.encode(), prompt_text=output[:100])
        entries[name] = log.submit(run.sign(run.generation(content)), content)
    index = ContentIndex(log.engine)
    assert index.catch_up(log) == 2
    verdicts = {name: index.verify(output, log) for name, output in outputs.items()}
    assert {name: verdict.verdict for name, verdict in verdicts.items()} == {
        "public": "exact",
        "matchable": "exact",
        "private": "none",
    }
    assert [record.record_id for record in verdicts["public"].records] == [entries["public"].index]
    assert verdicts["public"].indexed_through == entries["private"].index
    log.erase(entries["public"].index, "request", run.key)
    index.remove(entries["public"].index)
    index.catch_up(log)
    assert index.verify(outputs["public"], log).verdict == "none"
    index.rebuild(log)
    assert index.verify(outputs["public"], log).verdict == "none"
    assert index.verify(outputs["matchable"], log).verdict == "exact"
    assert log.fsck().faults == []


def _reason(verdict: Verdict) -> str | None:
    assert verdict.verdict == "unchecked"
    return verdict.reason_code
