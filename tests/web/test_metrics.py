"""What `/metrics` tells: names, types and labels as the runbook lists them, and nothing that anybody sent."""

import re
from pathlib import Path
from typing import NoReturn

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from inference.sampling import SamplingParams
from ledger.errors import StoreError
from tests.cli.test_serve import Operator
from web import create_app, upkeep
from web.metrics import metrics_of
from web.services import Services

RUNBOOK = (Path(__file__).resolve().parents[2] / "ledger" / "RUNBOOK.md").read_text(encoding="utf-8")
COSE = {"Content-Type": "application/cose"}


def scraped(client: FlaskClient) -> dict[str, tuple[str, list[Sample]]]:
    """Type and samples of each family, by the name under which it is queried, as a Prometheus server parses them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.get_data(as_text=True))
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: (family.type, family.samples)
        for family in families
    }


def value(client: FlaskClient, name: str, **labels: str) -> float | None:
    found = [sample.value for sample in scraped(client)[name][1] if sample.name == name and sample.labels == labels]
    return found[0] if found else None


def test_names_and_types_are_those_of_the_runbook(services: Services) -> None:
    app = create_app(services)
    metrics_of(app).count_connections(lambda: 3)
    found = {name: kind for name, (kind, _) in scraped(app.test_client()).items() if name.startswith("rail_")}
    listed = dict(re.findall(r"^\| `(rail_[a-z_]+)[^|]*\| (counter|gauge|histogram) \|", RUNBOOK, re.MULTILINE))
    witnessed = {name for name in listed if name.startswith("rail_witness")}
    assert len(witnessed) == 3  # told only where there are witnesses: test_feeder.py
    assert found == {name: kind for name, kind in listed.items() if name not in witnessed}
    alerts = re.findall(r"expr: (.*)", RUNBOOK)
    used = {re.sub("_bucket$", "", name) for expr in alerts for name in re.findall("rail_[a-z_]+", expr)}
    assert len(alerts) > 8 and used <= listed.keys()


def test_submissions_are_counted_by_their_outcome(services: Services) -> None:
    client = create_app(services).test_client()
    registration = Operator("mail@metrics.test").registration()
    for _ in range(2):
        client.post("/api/records", data=registration, headers=COSE)
    client.post("/api/records", data=Operator("mail@nobody.test").model(1), headers=COSE)
    client.post("/api/records", data=b"nonsense", headers=COSE)
    assert [value(client, "rail_submissions_total", outcome=name) for name in ("new", "known")] == [1, 1]
    assert value(client, "rail_submissions_total", outcome="unknown_operator") == 1
    assert value(client, "rail_statements_total", type="operator") == 1
    (size,) = [sample.value for sample in scraped(client)["rail_log_size"][1]]
    assert size == services.log.size()


def test_the_sequencers_work_is_told(services: Services) -> None:
    client = create_app(services).test_client()

    def told() -> list[float]:
        names = ("rail_append_queue_statements", "rail_append_batches_total", "rail_append_statements_total")
        return [number for name in names if (number := value(client, name)) is not None]

    before, begun = told(), seconds_by_step(client)
    client.post("/api/records", data=Operator("mail@sequenced.test").registration(), headers=COSE)
    assert told() == [0, before[1] + 1, before[2] + 1]
    ended = seconds_by_step(client)
    assert list(ended) == ["preparing", "writing", "signing", "committing"]
    assert all(begun[step] < ended[step] < begun[step] + 60 for step in ended)


def seconds_by_step(client: FlaskClient) -> dict[str, float]:
    return {sample.labels["step"]: sample.value for sample in scraped(client)["rail_append_seconds_total"][1]}


def test_replays_are_counted_by_verdict(services: Services) -> None:
    client = create_app(services).test_client()
    run = services.generation.run("the", SamplingParams(max_tokens=2))
    client.post(f"/api/records/{run.entry.index}/replay")
    assert value(client, "rail_replays_total", verdict="match") == 1
    assert value(client, "rail_index_lag_entries") == 0


def test_upkeep_is_told_once_it_was_done(services: Services) -> None:
    client = create_app(services).test_client()
    assert value(client, "rail_upkeep_faults", task="fsck") is None
    upkeep.record(services.settings.home, upkeep.FSCK, services.log.size(), 2)
    assert value(client, "rail_upkeep_faults", task="fsck") == 2
    assert (value(client, "rail_upkeep_timestamp_seconds", task="fsck") or 0) > 1.7e9
    (services.settings.home / "upkeep" / "fsck.json").write_text("{")
    assert value(client, "rail_upkeep_faults", task="fsck") is None


def test_a_database_that_does_not_answer_is_told_too(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    client = create_app(services).test_client()
    assert value(client, "rail_database_up") == 1

    def gone(*_: object) -> NoReturn:
        raise StoreError("database_unavailable", "gone", retryable=True)

    monkeypatch.setattr(services.log, "head", gone)
    monkeypatch.setattr(services.log, "size", gone)
    assert value(client, "rail_database_up") == 0
    assert "rail_log_size" not in scraped(client)
