"""The same runs in every way that the engine has: kernel sets, threads, chunks, batches, kept beginnings.

Token ids and all logits must be the same bits. The first way, the portable kernels with one thread and one token after
the other, says what they are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import native
from inference.batch import Batch
from inference.kernels import load_kernels
from inference.modelfile import ModelFile
from inference.output import Output
from inference.prefixes import PrefixCache
from inference.run import Run
from inference.sampler import new_sampler
from inference.sampling import BIAS_MICRO_MAX, SamplingParams
from inference.tokenizer import Tokenizer
from native.sampler import Sampler

PROMPT = "Once upon a time there was a small machine that always gave the same answer."
TOKENS_MAX = 640  # past every block of tokens and positions that the engine has
THREADS = (1, 2, 3, 7)
DRAWING_THREADS = (1, 2)  # a step of one token wakes all threads, which takes long where there are more than cores
CHUNKS = (1, 3, 64, 512)
SMALL_CHUNK_TOKENS = 64  # for the same reason chunks below 64 are for so many last tokens
SEQUENCES = 8
SEQUENCE_TOKENS = 16
ORDERS = {0: (1, 3), 64 << 20: (5, 7)}  # bytes for kept beginnings: steps by which the sequences of a batch are chosen
PARAMS = SamplingParams(
    temperature_micro=800_000,
    top_k=200,
    top_p_micro=950_000,
    min_p_micro=1_000,
    repetition_micro=1_100_000,
    frequency_micro=100_000,
    presence_micro=100_000,
    seed=7,
)

Digests = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compute the runs."""

    name: str
    kernels: str
    threads: int
    same: bool

    def __str__(self) -> str:
        return f"{self.name} with {self.kernels} kernels and {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclass(slots=True)
class Comparison:
    """What came out, by name of the run, and which ways gave just that."""

    tokens: int  # of the longest run, its prompt included
    digests: dict[str, str] = field(default_factory=dict)  # hex SHA-256
    ways: list[Way] = field(default_factory=list)

    @property
    def difference(self) -> Way | None:
        """The first way that gave other bits."""
        return next((way for way in self.ways if not way.same), None)

    def add(self, name: str, model: native.Model, found: Digests) -> None:
        same = [self.digests.setdefault(run, digest) == digest for run, digest in found.items()]
        self.ways.append(Way(name, model.kernels, model.threads, all(same)))


class RecordedRun(Run):
    """A run and a digest of the logits from which its ids were drawn."""

    def __init__(self, prompt: Sequence[int], sampler: Sampler, output: Output, session: native.Session) -> None:
        super().__init__(prompt, sampler, output, session)
        self._logits = sha256()

    def take(self, logits: NDArray[np.int32]) -> None:
        self._logits.update(logits.tobytes())
        super().take(logits)

    @property
    def digest(self) -> str:
        return _digest(self.output_ids, self._logits.digest())


def _digest(ids: Sequence[int], logits_digest: bytes) -> str:
    return sha256(np.array(ids, dtype="<i4").tobytes() + logits_digest).hexdigest()


class Bits:
    """The runs of one model: a long one, and short ones that begin like it."""

    def __init__(self, model: ModelFile) -> None:
        self._model = model
        self._tokenizer = Tokenizer(model.vocabulary, model.config.vocab_size)
        self.tokens = min(model.config.context_tokens, TOKENS_MAX)
        self._prompt = tuple(self._tokenizer.encode(PROMPT)[: max(1, self.tokens // 2)])
        stops = tuple((id, -BIAS_MICRO_MAX) for id in sorted(self._tokenizer.stop_ids))  # the run shall not end early
        self._params = replace(PARAMS, max_tokens=self.tokens - len(self._prompt), logit_bias=stops)
        self._ids: tuple[int, ...] = ()  # of the long run, once it was drawn

    def ways(self) -> int:
        """How many `compare` goes through."""
        return len(native.backends()) * (len(DRAWING_THREADS) + len(THREADS) * len(CHUNKS) + len(ORDERS))

    def compare(self, found: Comparison) -> Iterator[None]:
        """Add one way after the other, and yield after each."""
        for kernels in native.backends():
            for threads in THREADS:
                model = load_kernels(self._model, threads, kernels)
                if threads in DRAWING_THREADS:
                    found.add("drawn one by one", model, self._drawn(model))
                    yield
                for chunk in CHUNKS:
                    found.add(f"read in chunks of {chunk}", model, self._read(model, chunk))
                    yield
            model = load_kernels(self._model, 2, kernels)
            for prefix_bytes in ORDERS:
                name = "batches of 1 to 8" + (", beginnings kept" if prefix_bytes else "")
                found.add(name, model, self._batches(model, PrefixCache(prefix_bytes), ORDERS[prefix_bytes]))
                yield

    def _run(self, model: native.Model, prompt: Sequence[int], params: SamplingParams) -> RecordedRun:
        sampler = new_sampler(params, self._model.config.vocab_size, model.kernels, prompt)
        output = Output(self._tokenizer, prompt, params, params.max_tokens)
        return RecordedRun(prompt, sampler, output, model.session(len(prompt) + params.max_tokens))

    def _drawn(self, model: native.Model) -> Digests:
        """Every run alone."""
        run = self._run(model, self._prompt, self._params)
        _finish(Batch(model, 1, lambda run: None), [run])
        self._ids = self._ids or self._prompt + tuple(run.output_ids)
        shorts = {f"short {number}": self._short(model, number) for number in range(SEQUENCES)}
        for short in shorts.values():
            _finish(Batch(model, 1, lambda run: None), [short])
        return {"drawn": run.digest} | {name: short.digest for name, short in shorts.items()}

    def _read(self, model: native.Model, chunk: int) -> Digests:
        """All logits of the long run, prompt included, and again those from which its ids were drawn."""
        session, ids, begin = model.session(self.tokens), self._ids, 0
        first, last = len(self._prompt) - 1, len(ids) - 1  # positions whose logits gave the drawn ids; `last` is none
        read, drawn = sha256(), sha256()
        while begin < len(ids):
            small = model.threads == 1 or begin >= len(ids) - SMALL_CHUNK_TOKENS
            logits = session.forward(ids[begin : begin + (chunk if small else max(chunk, 64))], all_logits=True)
            read.update(logits.tobytes())
            drawn.update(logits[max(0, first - begin) : last - begin].tobytes())
            begin = session.position
        return {"read": read.hexdigest(), "drawn": _digest(ids[first + 1 :], drawn.digest())}

    def _batches(self, model: native.Model, prefixes: PrefixCache, steps: Sequence[int]) -> Digests:
        """One to eight short runs at a time, in several orders. A run that comes out in two ways is none of them."""
        found: dict[str, str] = {}
        for count in range(1, SEQUENCES + 1):
            for step in steps:
                numbers = [(count + step * i) % SEQUENCES for i in range(count)]
                runs = [self._short(model, number) for number in numbers]
                for run in runs:
                    prefixes.begin(run.session, run.prompt)
                _finish(Batch(model, count, lambda run: prefixes.keep(run.session, run.ids)), runs)
                for number, run in zip(numbers, runs, strict=True):
                    known = found.setdefault(f"short {number}", run.digest)
                    if run.digest != known:
                        found[f"short {number}"] = f"{known} or {run.digest}"
        return found

    def _short(self, model: native.Model, number: int) -> RecordedRun:
        prompt = self._ids[: min(3 + 6 * number, max(1, self.tokens // 2))]
        tokens = min(SEQUENCE_TOKENS, self.tokens - len(prompt))
        return self._run(model, prompt, replace(self._params, seed=number, max_tokens=tokens))


def _finish(batch: Batch, runs: Sequence[Run]) -> None:
    """All runs to their ends, by turns."""
    for run in runs:
        batch.add(run)
    going = list(runs)
    while going:
        going = [run for run in going if batch.next(run, lambda: False) is not None]


def compare_bits(path: Path, advance: Callable[[int, int], None]) -> Comparison:
    """The runs of a model in all ways; `advance` hears of each way that is done, and how many there are."""
    with ModelFile.open(path) as model:
        bits = Bits(model)
        found = Comparison(bits.tokens)
        for done, _ in enumerate(bits.compare(found), 1):
            advance(done, bits.ways())
    return found
