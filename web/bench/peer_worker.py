"""llama.cpp's side of the comparison. Runs in the peer's own Python, so it imports nothing of ours.

A request is a line of JSON on stdin, {"work": NAME, ...}; its answer a line on stdout, {"error": text} if it failed.
"""

import ctypes
import json
import os
import sys
import time


class LlamaCpp:
    """One model and one context, by the library's plain functions."""

    def __init__(self, path: str, threads: int, context_tokens: int) -> None:
        import llama_cpp

        self.lib = llama_cpp
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        before, started = resident_bytes(), time.perf_counter()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp does not load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = context_tokens
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            raise RuntimeError("llama.cpp makes no context")
        self.before, self.load_seconds = before, time.perf_counter() - started

    def run(self, pieces: list[list[int]]) -> float:
        """Seconds of a fresh sequence that takes these pieces one after another."""
        arrays = [(ctypes.c_int32 * len(piece))(*piece) for piece in pieces]
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), False)
        started = time.perf_counter()
        for array in arrays:
            if self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(array, len(array))):
                raise RuntimeError("llama_decode failed")
            self.lib.llama_get_logits(self.context)
        return time.perf_counter() - started


class IntMm:
    """torch's int8 matrix product."""

    def __init__(self, m: int, k: int, n: int, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self.product = torch._int_mm
        self.a = torch.randint(-127, 128, (m, k), dtype=torch.int8)
        self.b = torch.randint(-127, 128, (k, n), dtype=torch.int8)
        self.product(self.a, self.b)

    def seconds(self) -> float:
        started = time.perf_counter()
        self.product(self.a, self.b)
        return time.perf_counter() - started


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    peer: LlamaCpp | None = None
    product: IntMm | None = None
    for line in sys.stdin:
        request = json.loads(line)
        work = request.pop("work")
        try:
            if work == "load":
                peer = LlamaCpp(**request)
                answer = {"seconds": peer.load_seconds, "version": peer.lib.__version__}
            elif work == "run" and peer:
                answer = {"seconds": peer.run(request["pieces"])}
            elif work == "memory" and peer:
                answer = {"bytes": resident_bytes() - peer.before}
            elif work == "int_mm":
                product = product or IntMm(**request)
                answer = {"seconds": product.seconds()}
            else:
                answer = {"error": f"cannot do {work}"}
        except (ImportError, RuntimeError, OSError) as error:
            answer = {"error": str(error), "missing": getattr(error, "name", None)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    sys.path.pop(0)  # this script's folder: its modules are not the peer's
    main()
