"""What the parts of a service count themselves, or have in the database, read when the metrics are asked for."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.errors import LedgerError
from web import upkeep
from web.services import Services


class ServiceCounts(Collector):
    """A database that does not answer is itself a metric: what it would have told is then missing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Nothing is read when it is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._generations()
        failing = self._services.signer.appender.failure is not None
        yield GaugeMetricFamily("rail_append_failing", "1 after an append that the store failed", int(failing))
        yield from self._appending()
        try:
            found = [*self._log(), *self._witnesses()]
        except LedgerError:
            found = []
        yield GaugeMetricFamily("rail_database_up", "1 if the database answers", int(bool(found)))
        yield from found
        yield from self._upkeep()

    def _generations(self) -> Iterator[Metric]:
        totals = self._services.generation.totals()
        runs = CounterMetricFamily("rail_generations_total", "Logged generations", labels=["finish"])
        for finish, count in sorted(totals.runs.items()):
            runs.add_metric([finish], count)
        yield runs
        yield CounterMetricFamily("rail_prompt_tokens_total", "Prompt tokens of generations", totals.prompt_tokens)
        yield CounterMetricFamily("rail_output_tokens_total", "Output tokens of generations", totals.output_tokens)

    def _appending(self) -> Iterator[Metric]:
        work = self._services.log.append_work()
        yield GaugeMetricFamily("rail_append_queue_statements", "Statements that wait for the sequencer", work.waiting)
        yield CounterMetricFamily("rail_append_batches_total", "Batches that the sequencer has answered", work.batches)
        yield CounterMetricFamily("rail_append_statements_total", "Statements in these batches", work.statements)
        seconds = CounterMetricFamily("rail_append_seconds_total", "Time that batches took", labels=["step"])
        for step, total in work.seconds.items():
            seconds.add_metric([step], total)
        yield seconds

    def _log(self) -> Iterator[Metric]:
        log = self._services.log
        size = log.size()
        cursor, complete = self._services.index.state()
        yield GaugeMetricFamily("rail_log_size", "Entries in the log", size)
        if size:
            last = log.entry(size - 1).logged
            yield GaugeMetricFamily("rail_log_last_entry_timestamp_seconds", "When the newest entry was logged", last)
        lag = max(size - 1 - cursor, 0)
        yield GaugeMetricFamily("rail_index_lag_entries", "Entries that the text index has not seen", lag)
        yield GaugeMetricFamily("rail_index_complete", "0 while the text index is being built anew", int(complete))
        yield GaugeMetricFamily("rail_database_bytes", "Size of the database", log.database.size_bytes())

    def _witnesses(self) -> Iterator[Metric]:
        feeder, cosigned = self._services.feeder, self._services.publication.cosigned
        if feeder is None or cosigned is None:
            return
        witnessed = cosigned.witnessed(self._services.log.size())
        size = witnessed.size if witnessed is not None else 0
        yield GaugeMetricFamily("rail_witnessed_size", "Entries that a quorum of witnesses has cosigned", size)
        failures = GaugeMetricFamily("rail_witness_failures", "Failures in a row of a witness", labels=["witness"])
        times = GaugeMetricFamily(
            "rail_witness_cosignature_timestamp_seconds", "Time in a witness's last cosignature", labels=["witness"]
        )
        for state in feeder.states():
            failures.add_metric([state.name], state.failures)
            if state.time is not None:
                times.add_metric([state.name], state.time)
        yield failures
        yield times

    def _upkeep(self) -> Iterator[Metric]:
        times = GaugeMetricFamily(
            "rail_upkeep_timestamp_seconds", "When the last check or backup of this home ended", labels=["task"]
        )
        faults = GaugeMetricFamily("rail_upkeep_faults", "Faults that the last check found", labels=["task"])
        for task in upkeep.TASKS:
            done = upkeep.last(self._services.settings.home, task)
            if done is not None:
                times.add_metric([task], done.time)
                faults.add_metric([task], done.faults)
        yield times
        yield faults
