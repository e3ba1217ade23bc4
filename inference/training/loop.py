"""The training loop: a budget of processor time, a schedule tied to it, checkpoints, a log.

The learning rate follows the processor's clock, so it reaches zero when the minutes are spent,
whatever the machine's speed and whatever else it does meanwhile. A run that was cut off goes
on from its checkpoint with the minutes it had used. The order of the data depends on the seed alone; the weights
differ between machines, because the number of steps does.
"""

from __future__ import annotations

import json
import os
import pickle
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import sentencepiece
import torch
import torch.nn.functional as F

from inference.training import data
from inference.training.evaluate import held_out
from inference.training.model import Llama, ModelConfig
from inference.training.optim import MixedOptimizer, OptimConfig
from inference.training.rows import heads, windows
from inference.training.tokenizer import load_tokenizer, train_tokenizer

IGNORED = -100  # Target of padding: no loss.
LOG_STEPS = 10


class CheckpointMismatch(data.RunRefused):
    """The output folder holds a run that this one cannot continue."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    minutes: float  # of processor time, a thread
    seed: int = 1
    threads: int = 1
    story_rows: int = 10  # of each batch, a row being as wide as the context
    book_rows: int = 6
    micro_rows: int = 4  # computed at once: what fits the processor's cache
    warmup_share: float = 0.02
    decay_share: float = 0.6
    eval_minutes: float = 5.0
    eval_rows: int = 60  # of each held-out text, for the log
    compiled: bool = True  # one fused program, in bfloat16 where the processor multiplies it by tiles
    max_steps: int | None = None  # None: the budget alone ends the run.


def rate_at(progress: float, run: RunConfig) -> float:
    """Learning-rate factor at a share 0..1 of the budget: rise, hold, straight to zero."""
    if progress < run.warmup_share:
        return max(progress / run.warmup_share, 0.02)
    return min(1.0, max(0.0, 1.0 - progress) / run.decay_share)


def to_tensors(rows: list[data.Row], seq_len: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets (rows, seq_len), padded on the right; the causal mask hides the padding."""
    inputs = torch.zeros(len(rows), seq_len, dtype=torch.long)
    targets = torch.full((len(rows), seq_len), IGNORED)
    for i, row in enumerate(rows):
        inputs[i, : len(row) - 1] = torch.tensor(row[:-1])
        targets[i, : len(row) - 1] = torch.tensor(row[1:])
    return inputs, targets


class Training:
    """State of one run. All that a later run needs is in the checkpoint, the tokenizer and the corpus."""

    def __init__(self, corpora: Path, out: Path, shape: ModelConfig, run: RunConfig) -> None:
        torch.manual_seed(run.seed)
        torch.set_num_threads(run.threads)
        self.out, self.run, self.shape = out, run, shape
        self.log_path = out / "log.jsonl"
        stories = data.read_texts(corpora, data.STORY_FILES)
        books = data.read_texts(corpora, data.BOOK_FILES)
        unseen_stories = data.read_texts(corpora, (data.HELDOUT_STORIES,))
        unseen_books = data.read_texts(corpora, (data.HELDOUT_BOOKS,))
        if not (out / "tokenizer.model").exists():
            train_tokenizer(stories + books, out / "tokenizer.model", shape.vocab_size)
        self.tokenizer = load_tokenizer(out / "tokenizer.model")
        self.stories = data.encode_texts(stories, self.tokenizer)
        self.books = data.encode_texts(books, self.tokenizer)
        self.unseen_stories = heads(unseen_stories, self.tokenizer, shape.seq_len)
        self.unseen_books = windows(unseen_books, self.tokenizer, shape.seq_len)
        names = (*data.STORY_FILES, *data.BOOK_FILES, data.HELDOUT_STORIES, data.HELDOUT_BOOKS)
        self.digests = {name: data.file_digest(corpora / name) for name in names}
        self.model = Llama(shape)
        self.optimizer = MixedOptimizer(self.model, OptimConfig())
        self.step = self.tokens = 0
        self.minutes = 0.0
        self.resume()
        self.loss = torch.compile(self.summed_loss) if run.compiled else self.summed_loss

    def save(self) -> None:
        """Write the checkpoint beside the old one, then replace it: a crash leaves one whole file."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counters": (self.step, self.tokens, self.minutes),
            "shape": asdict(self.shape),
        }
        torch.save(state, self.out / "checkpoint.new")
        os.replace(self.out / "checkpoint.new", self.out / "checkpoint.pt")

    def resume(self) -> None:
        """Go on from the checkpoint in the output folder, where there is one."""
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return
        state = load_checkpoint(path)
        if state["shape"] != asdict(self.shape):
            raise CheckpointMismatch(f"{path} holds a model of another shape: choose another --out")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.tokens, self.minutes = state["counters"]
        # Steps after the checkpoint are taken again, so their lines would stand twice.
        lines = self.log_path.read_text().splitlines(keepends=True) if self.log_path.exists() else []
        self.log_path.write_text("".join(line for line in lines if json.loads(line)["step"] <= self.step))

    def batches(self) -> Iterator[list[data.Row]]:
        """Batches from where the run stands."""
        every = data.mixed_batches(
            self.stories,
            self.books,
            width=self.shape.seq_len + 1,
            story_rows=self.run.story_rows,
            book_rows=self.run.book_rows,
            seed=self.run.seed,
        )
        return islice(every, self.step, None)

    def summed_loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Nats over all targets."""
        tiles = self.run.compiled and torch.cpu._is_amx_tile_supported()
        with torch.autocast("cpu", torch.bfloat16, enabled=tiles):
            logits = self.model(inputs)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")

    def train_step(self, rows: list[data.Row], rate: float) -> float:
        """One update; returns the mean loss of the batch in nats a token."""
        inputs, targets = to_tensors(rows, self.shape.seq_len)
        predicted = int((targets != IGNORED).sum())
        nats = 0.0
        for start in range(0, len(rows), self.run.micro_rows):
            part = slice(start, start + self.run.micro_rows)
            loss = self.loss(inputs[part], targets[part]) / predicted
            loss.backward()
            nats += loss.item()
        self.optimizer.step(rate)
        self.step += 1
        self.tokens += predicted
        return nats

    def compile(self) -> None:
        """Have the loss and its gradient compiled, on a batch that teaches nothing."""
        inputs = torch.zeros(self.run.micro_rows, self.shape.seq_len, dtype=torch.long)
        self.loss(inputs, inputs.clone()).backward()
        self.model.zero_grad()

    def clock(self) -> float:
        """Seconds of processor time a thread: other work on the machine neither spends nor shortens the budget."""
        return time.process_time() / self.run.threads

    def finished(self) -> bool:
        return self.minutes >= self.run.minutes or self.step == self.run.max_steps

    def fit(self) -> None:
        """Train until the budget is spent; evaluating and saving count towards it, compiling does not."""
        self.compile()
        started = self.clock() - 60 * self.minutes
        next_eval = self.minutes + self.run.eval_minutes
        recent: list[float] = []
        batches = self.batches()
        while not self.finished():
            rate = rate_at(self.minutes / self.run.minutes, self.run)
            recent.append(self.train_step(next(batches), rate))
            self.minutes = (self.clock() - started) / 60
            if self.step % LOG_STEPS == 0:
                self.log({"lr": round(rate, 4), "train_loss": round(sum(recent) / len(recent), 4)})
                recent.clear()
            if self.minutes >= next_eval and not self.finished():
                next_eval = self.minutes + self.run.eval_minutes
                self.log(self.quick_held_out())
                self.save()
                self.minutes = (self.clock() - started) / 60
        self.log(self.quick_held_out())
        self.save()

    def log(self, entry: dict[str, float]) -> None:
        """Append one line to log.jsonl and show it; `lr` is the factor that `rate_at` gave."""
        position = {"step": self.step, "minutes": round(self.minutes, 3), "tokens": self.tokens}
        line = json.dumps(position | entry)
        with self.log_path.open("a") as sink:
            sink.write(line + "\n")
        print(line, flush=True)

    def quick_held_out(self) -> dict[str, float]:
        """Nats a token on a few held-out rows, evenly spread: a signal for the log, not the reported figures."""
        found = {}
        for name, rows in (("unseen_stories", self.unseen_stories), ("unseen_books", self.unseen_books)):
            some = rows[:: max(1, len(rows) // self.run.eval_rows)]
            found[name] = round(held_out(self.model, some, self.tokenizer).nats_per_token, 4)
        return found

    def summary(self) -> dict[str, object]:
        """All that the model card reports; the held-out files are read whole."""
        return {
            "model": asdict(self.shape),
            "parameters": self.model.parameter_count(),
            "run": asdict(self.run),
            "optimizer": asdict(self.optimizer.config),
            "data_sha256": self.digests,
            "story_tokens": sum(len(row) - 1 for row in self.stories),
            "book_tokens": sum(len(row) - 1 for row in self.books),
            "steps": self.step,
            "tokens_seen": self.tokens,
            "processor_minutes": round(self.minutes, 2),
            "heldout_stories": held_out(self.model, self.unseen_stories, self.tokenizer).figures(),
            "heldout_books": held_out(self.model, self.unseen_books, self.tokenizer).figures(),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "sentencepiece": sentencepiece.__version__,
            },
        }


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that `Training.save` wrote. Raises CheckpointMismatch if the file is damaged."""
    try:
        state = torch.load(path, weights_only=True)
        if set(state) != {"model", "optimizer", "counters", "shape"}:
            raise ValueError("other contents")
    except (OSError, ValueError, TypeError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointMismatch(
            f"{path} is damaged or no checkpoint of this program ({type(error).__name__}): "
            "delete it to train from the start, or put a copy back"
        ) from error
    return state
