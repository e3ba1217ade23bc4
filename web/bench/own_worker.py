"""Our side of the comparison, in a process of its own, with the requests and answers of peer_worker.py."""

import gc
import json
import sys
import threading
import time
from typing import Any

import numpy as np

from inference.engine import Engine
from inference.kernels import load_kernels
from inference.layout import matrix_shapes
from inference.modelfile import ModelFile
from web.bench.peer_worker import resident_bytes
from web.bench.sequence import params_of_length
from web.bench.speed import generated

READ_BYTES = 1 << 29  # more than any cache holds


class Own:
    """One model in the native kernels' hands."""

    def __init__(self, path: str, threads: int, context_tokens: int) -> None:
        ModelFile.open(path)  # from here on, the file counts as verified
        self.path, self.threads, self.context_tokens = path, threads, context_tokens
        self.before, started = resident_bytes(), time.perf_counter()
        Engine(ModelFile.open(path), threads=threads)
        self.load_seconds = time.perf_counter() - started
        self.file = ModelFile.open(path)
        self.model = load_kernels(self.file, threads, None)
        self.session = self.model.session(1)

    def facts(self) -> dict[str, Any]:
        parts = [name for name in matrix_shapes(self.file.config) if name != "tok_embed"]
        stored = [part for name in parts for part in (name, f"{name}.code") if part in self.file.tensors]
        return {
            "seconds": self.load_seconds,
            "kernels": self.model.kernels,
            "file_bytes": self.file.size_bytes,
            "weight_bytes": sum(self.file.tensors[name].nbytes for name in stored),
        }

    def run(self, pieces: list[list[int]]) -> float:
        """Seconds of a fresh sequence that takes these pieces one after another."""
        self.session = self.model.session(self.context_tokens)
        started = time.perf_counter()
        for piece in pieces:
            self.session.forward(piece)
        return time.perf_counter() - started

    def replay(self, tokens: int) -> dict[str, Any]:
        """Seconds of generating so many tokens, and of replaying that."""
        engine = Engine(self.file, threads=self.threads)
        started = time.perf_counter()
        transcript = generated(engine, [1], params_of_length(self.file, tokens))
        between = time.perf_counter()
        verdict = engine.replay(transcript).verdict
        ended = time.perf_counter()
        if verdict != "match" or len(transcript.output_ids) != tokens:
            raise RuntimeError(f"a run of {len(transcript.output_ids)} tokens was replayed: {verdict}")
        return {"generate_seconds": between - started, "replay_seconds": ended - between}


def read_rate(threads: int) -> float:
    """Bytes a second that so many threads read from memory, each its part of a large array."""
    parts = np.split(np.ones(READ_BYTES // 8, np.uint64), threads)
    best = 0.0
    for _ in range(3):
        readers = [threading.Thread(target=part.sum) for part in parts]
        started = time.perf_counter()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        best = max(best, READ_BYTES / (time.perf_counter() - started))
    return best


def answer(own: Own | None, work: str, request: dict[str, Any]) -> dict[str, Any]:
    if work == "read":
        return {"rate": read_rate(**request)}
    assert own is not None, "no model was loaded"
    if work == "run":
        return {"seconds": own.run(**request)}
    if work == "memory":
        gc.collect()  # engines of runs that are over
        return {"bytes": resident_bytes() - own.before, "cache_bytes": own.session.size_bytes}
    assert work == "replay", work
    return own.replay(**request)


def main() -> None:
    own = None
    for line in sys.stdin:
        request = json.loads(line)
        work = request.pop("work")
        if work == "load":
            own = Own(**request)
            found = own.facts()
        else:
            found = answer(own, work, request)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
