"""Generation and replay: a model file, its tokenizer and the native kernels behind one object."""

from collections.abc import Callable, Generator, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

import native
from inference.batch import Batch
from inference.config import ENGINE
from inference.errors import ContextError, InferenceError, KernelError
from inference.kernels import load_kernels
from inference.modelfile import ModelFile
from inference.output import Output
from inference.prefixes import PrefixCache
from inference.replay import ReplayResult, compare
from inference.run import Run
from inference.sampler import new_sampler
from inference.sampling import SamplingParams
from inference.tokenizer import Tokenizer
from inference.transcript import Transcript
from native.sampler import Sampler

# Tokens of one native call of a replay. No effect on any bit: it bounds the memory for logits and how long a replay
# keeps generations waiting.
REPLAY_TOKENS = 128
RUNNING_MAX = 16  # runs that go through the model together; more wait for a place
PREFIX_BYTES = 256 << 20


class Engine:
    """Runs one model. Safe to use from several threads: runs that are under way together are computed together.

    `threads` is for the kernels (None: `RAIL_THREADS`, else the processors of this process), `kernels` names a kernel
    set (None: `RAIL_KERNELS`, else the fastest), `prefix_bytes` bounds the memory that keeps beginnings of runs for
    the next ones (0: nothing is kept). None of these changes a result. Raises KernelError for what cannot be had,
    TokenizerError for a vocabulary that does not load or is not the model's, ModelFileError (`not_verified`).
    """

    def __init__(
        self,
        model: ModelFile,
        threads: int | None = None,
        kernels: str | None = None,
        running_max: int = RUNNING_MAX,
        prefix_bytes: int = PREFIX_BYTES,
    ) -> None:
        self.model = model
        self.root = model.root
        self.tokenizer = Tokenizer(model.vocabulary, model.config.vocab_size)
        self._native = load_kernels(model, threads, kernels)
        self.kernels: str = self._native.kernels
        self.threads: int = self._native.threads
        self.prefixes = PrefixCache(prefix_bytes)
        self._batch = Batch(self._native, running_max, lambda run: self.prefixes.keep(run.session, run.ids))

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of a prompt, BOS first if the model has one; then an empty text is BOS alone.

        A text that cannot fit the context, because no piece is long enough, is refused before it is tokenized. Raises
        ContextError (`context_exceeded`, `context_empty`), TokenizerError (`not_unicode`, `text_too_long`).
        """
        limit = self.model.config.context_tokens
        tokens_min = len(text) // self.tokenizer.piece_bytes_max
        if tokens_min >= limit:
            raise ContextError(
                "context_exceeded",
                f"the prompt of {len(text)} characters has more than {tokens_min} tokens; the context of {limit} "
                "holds prompt and output together",
                tokens_min,
                limit,
            )
        return list(self._check_prompt(self.tokenizer.encode(text)))

    def generate(
        self,
        prompt_ids: Sequence[int],
        params: SamplingParams,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Generator[str, None, Transcript]:
        """Yield the output's text as it becomes certain, and return the transcript (`StopIteration.value`).

        No delta is empty or ends inside a character; together they are `Transcript.text`. `cancelled` is asked before
        each step; once true, the run ends with what there is. A generator that is closed ends its run at once. Raises
        ContextError and SamplingError (`id_out_of_range`) at once, KernelError later.
        """
        prompt = self._check_prompt(prompt_ids)
        return self._generate(prompt, params, self._sampler(prompt, params), cancelled)

    def _generate(
        self, prompt: tuple[int, ...], params: SamplingParams, sampler: Sampler, cancelled: Callable[[], bool]
    ) -> Generator[str, None, Transcript]:
        session = self._session(len(prompt) + self._tokens_max(prompt, params))
        self.prefixes.begin(session, prompt)
        run = Run(prompt, sampler, self._output(prompt, params), session)
        self._batch.add(run)
        try:
            while (delta := self._next(run, cancelled)) is not None:
                yield delta
        finally:
            self._batch.remove(run)
        assert run.output.finish_reason is not None
        return Transcript(
            ENGINE, self.root, prompt, tuple(run.output_ids), run.output.data, params, run.output.finish_reason
        )

    def _next(self, run: Run, cancelled: Callable[[], bool]) -> str | None:
        try:
            return self._batch.next(run, cancelled)
        except native.KernelError as error:
            raise KernelError("kernels_failed", str(error)) from error

    def replay(self, transcript: Transcript) -> ReplayResult:
        """Check a run in one pass over prompt and output. Raises InferenceError (`other_engine`, `other_model`) for a
        transcript that this engine cannot speak about, ContextError or SamplingError for ids that do not fit the model.
        """
        if transcript.engine != ENGINE:
            raise InferenceError(
                "other_engine", f"the run was made by {transcript.engine!r}, this engine is {ENGINE!r}"
            )
        if transcript.model_root != self.root:
            raise InferenceError(
                "other_model", f"the run was made by model {transcript.model_root.hex()}, loaded is {self.root.hex()}"
            )
        prompt = self._check_prompt(transcript.prompt_ids)
        self._check_ids(prompt + transcript.output_ids)
        output = self._output(prompt, transcript.params)
        return compare(transcript, self._resampled(prompt, transcript), output)

    def _resampled(self, prompt: tuple[int, ...], transcript: Transcript) -> Iterator[int]:
        """The id that this engine samples after each prefix of the output, the output itself being given."""
        sequence = prompt + transcript.output_ids[:-1]
        session, sampler = self._session(len(sequence)), self._sampler(prompt, transcript.params)
        position = len(prompt) - 1
        for start in range(0, position, REPLAY_TOKENS):
            session.forward(prompt[start : min(start + REPLAY_TOKENS, position)])
        for start in range(position, len(sequence), REPLAY_TOKENS):
            for logits in session.forward(sequence[start : start + REPLAY_TOKENS], all_logits=True):
                position += 1
                yield sampler.sample(logits, position)
                given = position - len(prompt)
                sampler.see(transcript.output_ids[given : given + 1], output=True)

    def logits(self, ids: Sequence[int]) -> NDArray[np.int32]:
        """Logits after each of the ids, (n, vocab) int32 Q16. Raises ContextError."""
        checked = self._check_ids(ids)
        session = self._session(len(checked))
        starts = range(0, len(checked), REPLAY_TOKENS)
        return np.concatenate(
            [session.forward(checked[start : start + REPLAY_TOKENS], all_logits=True) for start in starts]
        )

    def _tokens_max(self, prompt: Sequence[int], params: SamplingParams) -> int:
        """How many ids a run may sample: prompt and output together fit the context."""
        return min(params.max_tokens, self.model.config.context_tokens - len(prompt))

    def _output(self, prompt: Sequence[int], params: SamplingParams) -> Output:
        return Output(self.tokenizer, prompt, params, self._tokens_max(prompt, params))

    def _sampler(self, prompt: Sequence[int], params: SamplingParams) -> Sampler:
        return new_sampler(params, self.model.config.vocab_size, self.kernels, prompt)

    def _session(self, context_tokens: int) -> native.Session:
        try:
            return self._native.session(context_tokens)
        except native.KernelError as error:
            raise KernelError("kernels_failed", str(error)) from error

    def _check_prompt(self, ids: Sequence[int]) -> tuple[int, ...]:
        """A prompt that leaves room for at least one token of output."""
        limit = self.model.config.context_tokens
        if len(ids) == limit:
            raise _exceeded(len(ids), limit)
        return self._check_ids(ids)

    def _check_ids(self, ids: Sequence[int]) -> tuple[int, ...]:
        limit = self.model.config.context_tokens
        if not ids:
            hint = "write some text" if self.tokenizer.bos_id is None else f"begin with BOS, id {self.tokenizer.bos_id}"
            raise ContextError("context_empty", f"the prompt is empty: there are no token ids; {hint}", 0, limit)
        if len(ids) > limit:
            raise _exceeded(len(ids), limit)
        for id in ids:
            if type(id) is not int or not 0 <= id < self.model.config.vocab_size:
                raise ContextError(
                    "id_out_of_range",
                    f"token id {id!r} is not in the vocabulary of {self.model.config.vocab_size}",
                    len(ids),
                    limit,
                )
        return tuple(ids)


def _exceeded(tokens: int, limit: int) -> ContextError:
    return ContextError(
        "context_exceeded",
        f"{tokens} tokens; the context of {limit} holds prompt and output together",
        tokens,
        limit,
    )
