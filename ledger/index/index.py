"""The content index: kept up with a log, asked about pasted texts. What others use. SPEC.md sections 8 and 9."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import islice
from typing import Final, Protocol

from sqlalchemy import Engine

from ledger.errors import NotFound, ParseError, StoreError
from ledger.index import private, store
from ledger.index.batch import Batch
from ledger.index.columns import distinct
from ledger.index.common import Common, frequent_hashes
from ledger.index.judge import judge, too_short, unchecked
from ledger.index.loading import Load, Output
from ledger.index.merging import merge_step
from ledger.index.relatives import Comparer, Relative, Vocabulary
from ledger.index.rules import (
    CHECKED_WEIGHT_MAX,
    COMMON_HOLDERS,
    EXACT_RECORDS_MAX,
    POSTINGS_MAX,
    POSTINGS_PER_HASH_MAX,
    RULES_WITH_DATA,
    RUN_WEIGHT_MIN,
    TEXT_BYTES_MAX,
)
from ledger.index.search import find_exact, find_excerpts, shingled_records
from ledger.index.segments import Postings, Snapshot
from ledger.index.tables import ALL_TEXTS
from ledger.index.terms import weigher
from ledger.index.text import Text
from ledger.index.verdict import Verdict

BATCH_RECORDS: Final = 2_048  # of one transaction
BATCH_CHARS: Final = 4_000_000
MERGED_PER_POSTING: Final = 8  # postings that are merged for each new one: more than all merges of it need
_MATCHED: Final = ("public", "matchable")  # a private record is proved with its receipt, never found


class RecordContent(Protocol):
    """The part of `ledger.content.Content` that matching reads."""

    @property
    def prompt_text(self) -> str: ...
    @property
    def output_text(self) -> str: ...
    @property
    def visibility(self) -> str: ...


class ContentSource(Protocol):
    """The part of `ledger.log.Log` that matching reads."""

    def contents(self, after_index: int) -> Iterator[tuple[int, RecordContent]]:
        """Contents of the records after one, ascending, as far as they are committed and not erased."""

    def contents_of(self, indexes: Collection[int]) -> Mapping[int, RecordContent]:
        """The contents of these records, of those that have one and have it still."""

    def registrants_of(self, indexes: Collection[int]) -> Mapping[int, int]:
        """For each of these records, the entry that registered the key which signed it."""


class PublicRecords(Protocol):
    """The part of `ledger.log.Log` that buckets need."""

    def public_among(self, indexes: Collection[int]) -> set[int]:
        """Those of some records whose content is there and public."""


class ContentIndex:
    """An index in the log's database. Several processes may use it at once; any method may raise StoreError."""

    def __init__(self, engine: Engine, text_bytes_max: int = TEXT_BYTES_MAX) -> None:
        """Makes the tables if they are not there."""
        self._engine = engine
        self._text_bytes_max = text_bytes_max
        with store.reading(engine) as connection:
            exists = store.has_tables(connection)
        if not exists:
            with store.writing_to(engine) as connection:
                store.create_tables(connection, RULES_WITH_DATA)

    def catch_up(self, source: ContentSource) -> int:
        """Indexes the records that are not yet; returns how many this call added.

        Batch by batch, each in one transaction with the cursor: a killed process loses at most its last batch, which
        the next call reads again. Of two processes with the same batch one commits, the other reads on from there.
        While one batch is written, a second thread reads and cuts the next.
        """
        added = 0
        with ThreadPoolExecutor(1) as reader:
            ahead: _Ahead | None = None
            while True:
                with store.reading(self._engine) as connection:
                    state = store.read_state(connection)
                if state.rules != RULES_WITH_DATA:
                    self._reset(state)
                    continue
                if ahead is None or ahead.state != state:  # else nothing was erased since before it was begun
                    ahead = _Ahead(state, reader.submit(_read_batch, source, state.cursor))
                batch = ahead.batch.result()
                done = batch.cursor == state.cursor
                if done and state.complete:
                    return added
                after = replace(state, cursor=batch.cursor, complete=state.complete or done)
                ahead = _Ahead(after, reader.submit(_read_batch, source, after.cursor))
                with store.reading(self._engine) as connection:
                    batch.choose_terms(partial(store.texts_of, connection))
                with store.writing_to(self._engine) as connection:
                    if store.replace_state(connection, state, after):
                        batch.write(connection)
                        added += len(batch.rows)
                self._merge(MERGED_PER_POSTING * batch.postings())

    def _merge(self, postings: int) -> None:
        """Merges segments for as long as it takes to move so many postings: at least one step, if there is one."""
        while True:
            with store.writing_to(self._engine) as connection:
                store.lock(connection)
                moved = merge_step(connection)
            postings -= moved
            if not moved or postings <= 0:
                return

    def remove(self, record_id: int) -> None:
        """Forgets a record. Call it after its content was erased, else the next rebuild finds it again."""
        with store.writing_to(self._engine) as connection:
            store.start_epoch(connection)  # a batch that another process read before the erasure is refused
            store.delete_record(connection, record_id)

    def rebuild(self, source: ContentSource) -> int:
        """Drops all rows and indexes the log again. Meanwhile no verdict says `none`."""
        while True:
            with store.reading(self._engine) as connection:
                state = store.read_state(connection)
            if self._reset(state):
                return self.catch_up(source)

    def state(self) -> tuple[int, bool]:
        """(last record seen, -1 for none; whether the end of the log has been reached)."""
        with store.reading(self._engine) as connection:
            state = store.read_state(connection)
        return state.cursor, state.complete and state.rules == RULES_WITH_DATA

    def bucket(self, bits: int, prefix: int, source: PublicRecords) -> bytes:
        """The fingerprints that begin with these bits, of public records, for a private lookup; see `private`.

        Raises NotFound (`bucket`) unless 0 <= prefix < 2^bits and the index has buckets of this size now.
        """
        cursor, _ = self.state()
        if bits != private.prefix_bits(cursor + 1) or not 0 <= prefix < 1 << bits:
            raise NotFound("bucket", f"buckets have prefixes of {private.prefix_bits(cursor + 1)} bits at present")
        with store.reading(self._engine) as connection:
            entries = Snapshot(connection).entries_with(bits, prefix, private.PER_HASH_MAX, private.ENTRIES_MAX)
        public = source.public_among({record for _, record in entries})
        return private.format_bucket(entry for entry in entries if entry[1] in public)

    def verify(self, text: str, source: ContentSource) -> Verdict:
        """Whether records hold this text or runs of it. Bounded in time and memory for any text.

        A text that cannot be checked is a verdict, `unchecked`; only a text that is none (lone surrogates) raises
        ParseError `text_surrogate`.
        """
        return self.examine(text, source)[0]

    def examine(self, text: str, source: ContentSource) -> tuple[Verdict, Sequence[Relative]]:
        """The verdict, with the best relative of each window, enough for a claim or not: for measurements.

        There are none where relatives are not looked for: the text is not checked, or something is verbatim.
        """
        if self._too_long(text):
            reason = f"the text has more than {self._text_bytes_max} bytes; check it in parts"
            return unchecked(text, "too_long", reason), ()
        pasted = Text(text, CHECKED_WEIGHT_MAX)
        refused = too_short(pasted)
        return self._look_up(pasted, source) if refused is None else (refused, ())

    def _look_up(self, pasted: Text, source: ContentSource) -> tuple[Verdict, Sequence[Relative]]:
        load = _loader(source)
        with store.reading(self._engine) as connection:
            state = store.read_state(connection)
            twins = store.records_with_text(connection, pasted.raw_digest, pasted.normal_digest, EXACT_RECORDS_MAX)
        evidence = find_exact(pasted, twins, load)
        if len(twins) >= COMMON_HOLDERS and len({*source.registrants_of(twins).values()}) >= COMMON_HOLDERS:
            evidence.whole_holders = "registrants"
        if not evidence.matches:
            postings = self._postings(pasted)
            known = self._vocabulary(pasted)
            evidence = find_excerpts(pasted, postings, load, self._common(postings, source), lambda: known().weigh)
            if not evidence.found:
                evidence.add_relatives(Comparer(pasted, load, known(), shingled_records(postings)))
        with store.reading(self._engine) as connection:
            echoes = store.echoes_of(connection, [match.record_id for match in evidence.matches])
            after = store.read_state(connection)
        verdict = judge(evidence, echoes, state.cursor)
        whole = state.complete and state.rules == RULES_WITH_DATA and state.epoch == after.epoch
        if verdict.verdict == "none" and not whole:
            reason = "the index is being built and has not seen all records; try again later"
            verdict = unchecked(pasted.original, "index_incomplete", reason)
        return verdict, evidence.relatives

    def _postings(self, pasted: Text) -> Postings:
        hashes = distinct(pasted.shingles.hash_column[pasted.fingerprint_column])
        limit = min(POSTINGS_PER_HASH_MAX, POSTINGS_MAX // max(1, len(hashes)))
        with store.reading(self._engine) as connection:
            return Snapshot(connection).postings_of(hashes, limit)

    def _common(self, postings: Postings, source: ContentSource) -> Common:
        """The hashes that many different outputs or registrants have."""

        def outputs_of(records: Sequence[int]) -> dict[int, int]:
            with store.reading(self._engine) as connection:
                return store.digests_of(connection, records)

        return Common(frequent_hashes(postings), outputs_of, source.registrants_of)

    def _vocabulary(self, pasted: Text) -> Callable[[], Vocabulary]:
        """What the index knows of the text's terms; read when first asked for."""

        def find(weights: Mapping[int, int], most: int) -> list[int]:
            with store.reading(self._engine) as connection:
                return Snapshot(connection).records_with_terms(weights, most)

        @cache
        def known() -> Vocabulary:
            with store.reading(self._engine) as connection:
                texts = store.texts_of(connection, {ALL_TEXTS, *pasted.terms.tolist()})
            return Vocabulary(weigher(texts, texts.get(ALL_TEXTS, 0)), texts, find)

        return known

    def _too_long(self, text: str) -> bool:
        """Without encoding a text that is too long anyway."""
        return len(text) > self._text_bytes_max or len(text.encode("utf-8", "replace")) > self._text_bytes_max

    def _reset(self, state: store.State) -> bool:
        """Empties the index; False if another process moved it."""
        with store.writing_to(self._engine) as connection:
            empty = store.State(RULES_WITH_DATA, -1, state.epoch + 1, complete=False)
            if not store.replace_state(connection, state, empty):
                return False
            store.clear(connection)
            return True


@dataclass(frozen=True, slots=True)
class _Ahead:
    """A batch that is being read, for the state that the index is expected to have then."""

    state: store.State
    batch: "Future[Batch]"


def _read_batch(source: ContentSource, cursor: int) -> Batch:
    """The records after one, as far as a batch goes, cut."""
    batch = Batch(cursor)
    chars = 0
    prompt = Text("")
    for record_id, content in islice(source.contents(cursor), BATCH_RECORDS):
        output = Text(content.output_text)
        # Of a shorter one its fingerprints would give it away.
        if content.visibility in _MATCHED and output.units.total >= RUN_WEIGHT_MIN:
            if prompt.original != content.prompt_text:  # many records have the same
                prompt = Text(content.prompt_text)
            batch.add(record_id, output, prompt)
        batch.cursor = record_id
        chars += len(content.output_text) + len(content.prompt_text)
        if chars >= BATCH_CHARS:
            break
    return batch


def _loader(source: ContentSource) -> Load:
    def load(record_ids: Sequence[int]) -> list[Output | None]:
        try:
            contents = source.contents_of(record_ids)
        except ParseError as error:  # the store's fault, not the pasted text's
            raise StoreError("record_damaged", f"a record cannot be read: {error}") from error
        return [_output_of(contents.get(record_id)) for record_id in record_ids]

    return load


def _output_of(content: RecordContent | None) -> Output | None:
    if content is None or content.visibility not in _MATCHED:
        return None
    return Output(content.prompt_text, content.output_text)
