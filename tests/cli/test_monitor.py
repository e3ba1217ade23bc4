"""`rail monitor`: nothing is lost, nothing is told twice without need, and a log that lies is told of everywhere."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest

from ledger import checkpoint
from ledger.checkpoint import Checkpoint
from ledger.keys import COSIGNATURE_V1, SigningKey, VerifyKey
from ledger.log import Log
from ledger.policy import parse_policy
from tests.cli.conftest import Machine, Rail
from tests.cli.live_service import LiveService, live_service
from tests.cli.test_audit_lies import entries_of, log_key, other_tree
from tests.ledger.log_samples import MODEL_ROOT, Run
from tests.web.conftest import served
from web import create_app
from web.audit.errors import AuditError
from web.client import ClientError, RailClient
from web.known_logs import KnownLogs
from web.monitor.deliver import Delivery
from web.monitor.event import Event
from web.monitor.run import Monitor, run_round
from web.monitor.state import load_state
from web.monitor.watch import Watch

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def live(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("live") / "home", machine.model) as service:
        yield service


@dataclass
class Hook:
    """A webhook that answers as it is told and keeps what it accepted."""

    url: str = ""
    status: int = 200
    bodies: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for body in self.bodies for event in body["events"]]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr("web.monitor.deliver.PAUSE_SECONDS", 0.01)
    hook = Hook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.attempts += 1
            if hook.status == 200:
                hook.bodies.append(body)
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/hook?secret=1"
    yield hook
    server.shutdown()
    thread.join()
    server.server_close()


def kinds_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def test_watched_statements_erasures_and_gaps_are_told_once(
    here: Rail, live: LiveService, hook: Hook, tmp_path: Path
) -> None:
    log, model = live.services.log, live.services.engine.model.root
    atom = tmp_path / "feed.atom"
    command = (
        "monitor", live.url, "--once", "--home", tmp_path, "--log-key", log.vkey, "--json", "--webhook", hook.url,
        "--atom", atom, "--watch-operator", live.services.operator.hex(), "--watch-model", model.hex(),
    )  # fmt: skip
    first = here(*command)
    assert (first.code, first.json["verdict"]) == (1, "told")
    assert first.json["cursor"] == first.json["size"] == log.size()
    operators = [event["index"] for event in first.json["events"] if event["kind"] == "operator"]
    assert operators == list(range(log.size()))
    models = [event["index"] for event in first.json["events"] if event["kind"] == "model"]
    assert models == list(range(1, log.size()))
    assert hook.events == first.json["events"]
    again = here(*command)
    assert (again.code, again.json["events"]) == (0, [])

    live.services.log.erase(next(iter(live.public)), "requested", live.services.operator_key)
    stranger = Run("gaps.test")
    stranger.counter = 5
    log.submit_many([(stranger.sign(stranger.operator()), None)])
    quiet = here("monitor", live.url, "--once", "--home", tmp_path / "other", "--log-key", log.vkey, "--json")
    assert kinds_of(quiet.json["events"]) == ["erasure", "counter_gap"]
    third = here(*command)
    assert kinds_of(third.json["events"]) == ["operator", "erasure", "counter_gap"]
    feed = xml.parse(atom).getroot()
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == len(first.json["events"]) + 3
    ids = [str(entry.findtext(f"{ATOM}id")) for entry in entries]
    assert ids[0] == f"urn:rail:event:{third.json['events'][-1]['id']}"
    assert len(set(ids)) == len(ids)
    ignored = here(
        "monitor", live.url, "--once", "--home", tmp_path / "third", "--log-key", log.vkey, "--json",
        "--ignore", "erasure", "--ignore", "counter_gap",
    )  # fmt: skip
    assert (ignored.code, ignored.json["events"]) == (0, [])


def test_the_cursor_waits_for_the_delivery(here: Rail, live: LiveService, hook: Hook, tmp_path: Path) -> None:
    log = live.services.log
    command = (
        "monitor", live.url, "--once", "--home", tmp_path, "--log-key", log.vkey, "--json", "--webhook", hook.url,
        "--watch-operator", live.services.operator.hex(), "--state", tmp_path / "state.json",
    )  # fmt: skip
    hook.status = 500
    failed = here(*command)
    assert (failed.code, failed.error) == (2, "not_delivered")
    assert "secret" not in failed.err + failed.out
    assert hook.attempts == 3
    state = load_state(tmp_path / "state.json")
    assert state is not None
    assert state.cursor == 0
    hook.status = 200
    done = here(*command)
    assert done.code == 1
    assert hook.events == done.json["events"]
    assert here(*command).code == 0


class Stage:
    """One monitor over one service, driven round by round, at a time that the test sets."""

    def __init__(self, live: LiveService, folder: Path, watch: Watch, key: VerifyKey | None = None) -> None:
        self.now = int(time.time())
        self.told: list[Event] = []
        self.fail = False
        self.client = RailClient(live.url)
        self.monitor = Monitor(
            folder / "state.json",
            key or live.services.log.key,
            KnownLogs(folder / "known"),
            watch,
            Delivery(None, None, self._say),
            lambda text: None,
            clock=lambda: self.now,
        )

    def _say(self, event: Event) -> None:
        if self.fail:
            raise AuditError("not_delivered", "as the test wants it")
        self.told.append(event)

    def round(self) -> list[str]:
        self.told.clear()
        run_round(self.client, self.monitor)
        return [event.kind for event in self.told]


def test_a_crash_before_the_cursor_moves_repeats_the_same_events(live: LiveService, tmp_path: Path) -> None:
    stage = Stage(live, tmp_path, Watch(operators=frozenset({live.services.operator})))
    stage.fail = True
    with pytest.raises(AuditError):
        stage.round()
    stage.fail = False
    stage.round()
    first = [event.id for event in stage.told]
    (tmp_path / "state.json").unlink()  # as if it had never been written
    stage.now += 100
    stage.round()
    assert [event.id for event in stage.told] == first


def test_a_log_that_grows_past_bundles_is_read_to_the_end(live: LiveService, tmp_path: Path) -> None:
    log = live.services.log
    run = Run("bundles.test")
    stage = Stage(live, tmp_path, Watch(operators=frozenset({run.id}), models=frozenset({MODEL_ROOT})))
    stage.round()
    log.submit_many(run.registrations())
    log.submit_many([(statement, None) for statement, _ in run.generations(300)])
    kinds = stage.round()
    assert kinds.count("operator") == 302
    assert kinds.count("model") == 301
    assert stage.round() == []


def test_stale_and_recovered_are_told_once_each(live: LiveService, tmp_path: Path) -> None:
    stage = Stage(live, tmp_path, Watch(max_age=600, quiet=frozenset({"counter_gap", "erasure"})))
    assert stage.round() == []
    stage.now += 601
    assert stage.round() == ["stale"]
    stage.now += 60
    assert stage.round() == []
    live.generate(31)
    assert stage.round() == ["recovered"]
    assert stage.round() == []


def test_a_log_that_cannot_be_reached_gets_stale_too(live: LiveService, tmp_path: Path) -> None:
    stage = Stage(live, tmp_path, Watch(max_age=600, quiet=frozenset({"counter_gap", "erasure"})))
    stage.round()
    stage.client.close()
    stage.client = RailClient("http://127.0.0.1:9")
    with pytest.raises(ClientError):
        stage.round()
    assert stage.told == []
    stage.now += 601
    with pytest.raises(ClientError):
        stage.round()
    assert [event.kind for event in stage.told] == ["stale"]
    with pytest.raises(ClientError):
        stage.round()
    assert stage.told == []


def test_a_lost_quorum_is_told_and_its_return_too(live: LiveService, tmp_path: Path) -> None:
    witness = SigningKey.generate("w.test", COSIGNATURE_V1)
    policy = parse_policy(f"witness w {witness.vkey}\nquorum w\n".encode())
    watch = Watch(policy=policy, max_age=600, quiet=frozenset({"counter_gap", "erasure"}))
    stage = Stage(live, tmp_path, watch)

    def cosigned(at: int) -> Callable[[bytes], bytes]:
        return lambda note: checkpoint.cosign(note, witness, at)

    with live.lying("/checkpoint", cosigned(stage.now)):
        assert stage.round() == []
    assert stage.round() == ["quorum_lost"]
    assert stage.round() == []
    with live.lying("/checkpoint", cosigned(stage.now)):
        assert stage.round() == ["recovered"]
        stage.now += 601
        assert stage.round() == ["stale"]
    with live.lying("/checkpoint", cosigned(stage.now)):
        assert stage.round() == ["recovered"]


def test_a_contradiction_is_told_by_every_way_out_and_is_exit_code_3(
    here: Rail, live: LiveService, hook: Hook, tmp_path: Path
) -> None:
    log, atom = live.services.log, tmp_path / "feed.atom"
    command = (
        "monitor", live.url, "--home", tmp_path, "--log-key", log.vkey, "--json", "--webhook", hook.url,
        "--atom", atom, "--ignore", "erasure", "--ignore", "counter_gap",
    )  # fmt: skip
    assert here(*command, "--once").code == 0
    lie = checkpoint.sign(Checkpoint(log.origin, log.size(), bytes(32)), [log_key(live)])
    with live.lying("/checkpoint", lambda _: lie):
        done = here(*command)  # without --once: this ends it too
    assert done.code == 3
    assert hook.events[-1]["kind"] == "inconsistent"
    assert "inconsistent" in atom.read_text(encoding="utf-8")
    assert here(*command, "--once").code == 0


def test_an_entry_that_nobody_signed_is_loud(live: LiveService, tmp_path: Path) -> None:
    stage = Stage(live, tmp_path, Watch(quiet=frozenset({"counter_gap", "erasure"})))
    entries = [*entries_of(live)[:100][:-1], b"not a statement"]  # no more than the service has
    with other_tree(live, entries):
        assert stage.round() == ["bad_entry"]
    assert stage.told[0].index == len(entries) - 1


def test_an_empty_log_is_followed(here: Rail, live: LiveService, machine: Machine, tmp_path: Path) -> None:
    key = SigningKey.generate("empty.test")
    with (
        Log.create(f"sqlite:///{tmp_path / 'empty.db'}", "empty.test", key) as log,
        served(create_app(replace(live.services, log=log))) as url,
    ):
        command = ("monitor", url, "--once", "--home", tmp_path, "--log-key", log.vkey, "--json")
        for _ in range(2):
            done = here(*command)
            assert (done.code, done.json["size"]) == (0, 0)
        run = Run("first.test")
        log.submit_many(run.registrations())
        assert here(*command, "--watch-operator", run.id.hex()).json["cursor"] == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--watch-operator", "xyz"), "bad_operator"),
        (("--watch-model", "A" * 64), "bad_model"),
        (("--ignore", "inconsistent"), "unknown_kind"),
        (("--webhook", "file:///etc/passwd"), "bad_url"),
        (("--policy", "/nowhere"), "policy_unreadable"),
    ],
)
def test_wrong_options(here: Rail, live: LiveService, tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
    done = here("monitor", live.url, "--once", "--home", tmp_path, "--json", *arguments)
    assert (done.code, done.error) == (2, code)
