"""The engine beside llama.cpp: same shapes, random weights, in turns, medians."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from web.bench import peer_worker
from web.bench.files import own_file, peer_file
from web.bench.row import Row
from web.bench.shapes import CONTEXT, Shape
from web.bench.worker import Worker, WorkerError

PEER_FORMATS = {8: "Q8_0", 4: "Q4_0"}
INT_MM = (512, 2048, 5632)  # tokens, columns, rows
LOAD_MS_MAX = 200
SECONDS_MIN, TURNS_MAX = 10, 30  # small models take more turns than were asked for, since theirs are short
MEMORY_SHARE_MAX = 1.05
PAUSE_SECONDS = 0.05  # before a turn: the other side's threads go on spinning for a while after their work

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured. Numbers of tokens; `rounds` are turns of each side, at least."""

    peer_python: str
    folder: Path
    prefill: int = 512
    decode: int = 128
    replay: int = 512
    rounds: int = 3


@dataclass(slots=True)
class Found:
    """Seconds of each turn by kind of work, of one pair of files and a number of threads."""

    own: dict[str, list[float]] = field(default_factory=dict)
    peer: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def rates(self, work: str, tokens: int) -> tuple[float, float]:
        """Tokens a second, ours and theirs."""
        return tokens / median(self.own[work]), tokens / median(self.peer[work])


def compare(shape: Shape, threads: int, plan: Plan, tell: Tell) -> Iterator[Row]:
    """Raises WorkerError for a peer that cannot do its part."""
    with ExitStack() as stack:
        product = _int_mm(stack, plan, threads)
        found = {bits: _measure(shape, threads, bits, plan, product, tell) for bits in PEER_FORMATS}
    best = max(each.rates("prefill", plan.prefill)[1] for each in found.values())
    for bits, each in found.items():
        row, wanted = partial(Row, shape.name, threads), shape.wanted
        prefill, decode = each.rates("prefill", plan.prefill), each.rates("decode", plan.decode)
        work = f"prefill {plan.prefill}, {bits} bits"
        yield row(work, "tokens/s", *prefill, PEER_FORMATS[bits], wanted=wanted.get(f"prefill/{bits}"))
        yield row(work, "tokens/s", prefill[0], best, "the better of both")
        work = f"decode {plan.decode}, {bits} bits"
        yield row(work, "tokens/s", *decode, PEER_FORMATS[bits], wanted=wanted.get("decode"))
        if "int_mm" in each.peer:
            rate, limit = prefill[0] * shape.products / 1e9, prod(INT_MM) / median(each.peer["int_mm"]) / 1e9
            least = wanted.get("int_mm") if bits == 8 else None
            yield row(f"prefill's products, {bits} bits", "GMAC/s", rate, limit, "torch._int_mm", wanted=least)
        rate, limit = decode[0] * each.facts["weight_bytes"] / 1e9, each.facts["read_rate"] / 1e9
        yield row(f"decode's weights, {bits} bits", "GB/s", rate, limit, "reading memory")
        yield from _own_rows(row, bits, plan, wanted.get("replay"), each.facts)


def _own_rows(
    row: "partial[Row]", bits: int, plan: Plan, replay_wanted: float | None, facts: dict[str, Any]
) -> Iterator[Row]:
    """What has no counterpart, or has limits of its own."""
    replay, generated = facts["replay_seconds"], facts["generate_seconds"]
    work = f"replay {plan.replay}, {bits} bits"
    yield row(work, "s", replay, generated, "generating it", less=True, wanted=replay_wanted)
    work, load = f"load a verified file, {bits} bits", 1000 * facts["load_seconds"]
    yield row(work, "ms", load, LOAD_MS_MAX, "limit", less=True, wanted=1)
    yield row(work, "ms", load, 1000 * facts["peer_load_seconds"], PEER_FORMATS[bits], less=True)
    work, memory = f"memory, {bits} bits", facts["memory_bytes"] / 1e6
    limit = (facts["file_bytes"] * MEMORY_SHARE_MAX + facts["cache_bytes"]) / 1e6
    yield row(work, "MB", memory, limit, f"{MEMORY_SHARE_MAX} x file + KV cache", less=True, wanted=1)
    yield row(work, "MB", memory, facts["peer_memory_bytes"] / 1e6, PEER_FORMATS[bits], less=True)


def _measure(shape: Shape, threads: int, bits: int, plan: Plan, product: Worker | None, tell: Tell) -> Found:
    about = f"{shape.name}, {bits} bits, threads: {threads}"
    tell(f"writing random weights, {shape.name}, {bits} bits")
    ours, theirs = own_file(plan.folder, shape, bits), peer_file(plan.folder, shape, PEER_FORMATS[bits])
    ids = np.random.default_rng(2).integers(0, shape.vocabulary, plan.prefill).tolist()
    works = {"prefill": [ids], "decode": [[id] for id in ids[: plan.decode]]}
    found = Found()
    with Worker([sys.executable, "-m", "web.bench.own_worker"]) as own, _peer(plan) as peer:
        tell(f"loading, {about}")
        loaded = own.ask("load", path=str(ours), threads=threads, context_tokens=CONTEXT)
        peer_loaded = peer.ask("load", path=str(theirs), threads=threads, context_tokens=CONTEXT)
        for side in (own, peer):
            side.ask("run", pieces=[ids[:64], ids[:1]])
        started, turns = time.monotonic(), 0
        while turns < plan.rounds or (turns < TURNS_MAX and time.monotonic() - started < SECONDS_MIN):
            turns += 1
            tell(f"turn {turns}, {about}")
            for work, pieces in works.items():
                for side, times in ((own, found.own), (peer, found.peer)):
                    time.sleep(PAUSE_SECONDS)
                    times.setdefault(work, []).append(side.ask("run", pieces=pieces)["seconds"])
            if product is not None:
                m, k, n = INT_MM
                seconds = product.ask("int_mm", m=m, k=k, n=n, threads=threads)["seconds"]
                found.peer.setdefault("int_mm", []).append(seconds)
        own.ask("run", pieces=works["prefill"])
        memory, peer_memory = own.ask("memory"), peer.ask("memory")
        tell(f"replay, {about}")
        found.facts = loaded | own.ask("replay", tokens=plan.replay)
        found.facts |= {"load_seconds": loaded["seconds"], "peer_load_seconds": peer_loaded["seconds"]}
        found.facts |= {"memory_bytes": memory["bytes"], "cache_bytes": memory["cache_bytes"]}
        found.facts |= {"peer_memory_bytes": peer_memory["bytes"], "peer_version": peer_loaded["version"]}
        found.facts["read_rate"] = own.ask("read", threads=threads)["rate"]
    return found


def _peer(plan: Plan) -> Worker:
    return Worker([plan.peer_python, peer_worker.__file__])


def _int_mm(stack: ExitStack, plan: Plan, threads: int) -> Worker | None:
    """A process that multiplies with torch; None if the peer's Python has no torch."""
    worker = stack.enter_context(_peer(plan))
    m, k, n = INT_MM
    try:
        worker.ask("int_mm", m=m, k=k, n=n, threads=threads)
    except WorkerError:
        return None
    return worker


def versions(plan: Plan, shape: Shape) -> str:
    """The peer's version. Raises WorkerError if it is not there."""
    file = peer_file(plan.folder, shape, PEER_FORMATS[4])
    with _peer(plan) as peer:
        return str(peer.ask("load", path=str(file), threads=1, context_tokens=64)["version"])
