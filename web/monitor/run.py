"""One round of a monitor: fetch the checkpoint, check the history, read new entries, deliver, then move the cursor."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ledger.checkpoint import open_checkpoint
from ledger.keys import VerifyKey
from ledger.tiles import TILE_WIDTH
from web.audit.errors import LogBroken
from web.audit.log import LogView
from web.audit.operators import OperatorBook
from web.audit.source import TileSource
from web.audit.trust import Tell
from web.client import ClientError, RailClient
from web.known_logs import KnownLogs
from web.monitor.deliver import Delivery
from web.monitor.event import INCONSISTENT, RECOVERED, Event
from web.monitor.state import RECENT_MAX, MonitorState, load_state, save_state
from web.monitor.watch import Watch

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Monitor:
    """What one round needs beside the client."""

    state: Path
    given_key: VerifyKey | None  # None: the pinned one, or at first sight the service's own claim
    known: KnownLogs
    watch: Watch
    delivery: Delivery
    tell: Tell
    advance: Advance = lambda done, total: None
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Round:
    """What a round told of, and how far the log was read."""

    events: tuple[Event, ...]
    cursor: int
    size: int


def run_round(client: RailClient, monitor: Monitor) -> Round:
    """Raises LogBroken once an event about it was delivered, ClientError, AuditError (`not_delivered`), LedgerError.

    After any of them the cursor is where the last delivery left it.
    """
    state = load_state(monitor.state)
    now = int(monitor.clock())
    try:
        view = _view(client, monitor, state)
    except LogBroken as error:
        where = f"; evidence: {error.evidence}" if error.evidence else ""
        name = state.key.name if state is not None else client.url
        event = Event(INCONSISTENT, name, None, f"[{error.code}] {error}{where}", now)
        monitor.delivery.send(name, [event], _recent(state, [event]))
        raise
    except ClientError:
        if state is not None:
            _tell_conditions(monitor, state, None, now)
        raise
    return _follow(monitor, state or _first(view, now), view, now)


def _view(client: RailClient, monitor: Monitor, state: MonitorState | None) -> LogView:
    """The log as it shows itself, of one history with all that was seen of it before."""
    key = monitor.given_key or (state.key if state is not None else None)
    view = monitor.known.follow(client, key, monitor.tell).view
    if state is not None:
        monitor.known.check_note(state.checkpoint, view, TileSource(client))
    return view


def _first(view: LogView, now: int) -> MonitorState:
    return MonitorState(view.key, view.note, 0, {}, now, {}, ())


def _follow(monitor: Monitor, state: MonitorState, view: LogView, now: int) -> Round:
    size, start = view.checkpoint.size, state.cursor
    seen = open_checkpoint(state.checkpoint, state.key).size
    if size > seen:
        state = replace(state, fresh=now)
    cosigned = monitor.watch.cosigned_at(view.note, view.key)
    if cosigned is not None:
        state = replace(state, fresh=cosigned)
    if size >= seen:
        state = replace(state, checkpoint=view.note)
    state, begun = _tell_conditions(monitor, state, view.note, now)
    told = list(begun)
    book = OperatorBook(state.operators)
    while state.cursor < size:
        stop = min((state.cursor // TILE_WIDTH + 1) * TILE_WIDTH, size)
        events = [
            event
            for index in range(state.cursor, stop)
            for event in monitor.watch.entry_events(book, index, view.entry(index), view.key.name, now)
        ]
        recent = _recent(state, events)
        monitor.delivery.send(view.key.name, events, recent)
        state = replace(state, cursor=stop, operators=dict(book.known), recent=recent)
        save_state(monitor.state, state)  # a crash before this line: the events come again, with the same ids
        told += events
        monitor.advance(stop - start, size - start)
    return Round(tuple(told), state.cursor, size)


def _tell_conditions(
    monitor: Monitor, state: MonitorState, note: bytes | None, now: int
) -> tuple[MonitorState, tuple[Event, ...]]:
    """Tells of what began and of what is over since the last round, and remembers it."""
    found = monitor.watch.conditions(note, state.key, state.fresh, now)
    if note is None:  # what only a checkpoint can show is as it was
        found = dict(state.conditions) | found
    events = tuple(_changes(state.key.name, state.conditions, found, now))
    recent = _recent(state, events)
    monitor.delivery.send(state.key.name, events, recent)
    state = replace(state, conditions=found, recent=recent)
    save_state(monitor.state, state)
    return state, events


def _changes(log: str, before: Mapping[str, str], found: Mapping[str, str], now: int) -> Iterable[Event]:
    for kind in sorted(found.keys() - before.keys()):
        yield Event(kind, log, None, found[kind], now)
    for kind in sorted(before.keys() - found.keys()):
        yield Event(RECOVERED, log, None, f"{kind} is over", now)


def _recent(state: MonitorState | None, events: Iterable[Event]) -> tuple[Event, ...]:
    return (*(state.recent if state is not None else ()), *events)[-RECENT_MAX:]
