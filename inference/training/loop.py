"""The training loop: a budget of processor time, a schedule tied to it, checkpoints, a log.

The learning rate follows the processor's clock, so it reaches zero when the minutes are spent,
whatever the machine's speed and whatever else it does meanwhile. A run that was cut off goes
on from its checkpoint with the minutes it had used. The order of the data depends on the seed alone; the weights
differ between machines, because the number of steps does.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import sentencepiece
import torch
import torch.nn.functional as F

from inference.training import data
from inference.training.evaluate import heads, held_out, windows
from inference.training.model import Llama, ModelConfig
from inference.training.optim import MixedOptimizer, OptimConfig
from inference.training.tokenizer import load_tokenizer, train_tokenizer

IGNORED = -100  # Target of padding: no loss.
LOG_STEPS = 10


class CheckpointMismatch(Exception):
    """The output folder holds a run that this one cannot continue."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    minutes: float  # of processor time, a thread
    seed: int = 1
    threads: int = 1
    batch_tokens: int = 4096
    joined_share: float = 0.125
    warmup_share: float = 0.02
    decay_share: float = 0.6
    eval_minutes: float = 5.0
    eval_stories: int = 60
    max_steps: int | None = None  # None: the budget alone ends the run.


def rate_at(progress: float, run: RunConfig) -> float:
    """Learning-rate factor at a share 0..1 of the budget: rise, hold, straight to zero."""
    if progress < run.warmup_share:
        return max(progress / run.warmup_share, 0.02)
    return min(1.0, max(0.0, 1.0 - progress) / run.decay_share)


def to_tensors(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets (rows, width), padded on the right; the causal mask hides the padding."""
    width = max(data.padded_width(row) for row in rows)
    inputs = torch.zeros(len(rows), width, dtype=torch.long)
    targets = torch.full((len(rows), width), IGNORED)
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
        stories = data.training_stories(corpora)
        unseen = data.split_texts(data.read_corpus(corpora, data.HELDOUT_STORIES))
        books = data.split_texts(data.read_corpus(corpora, data.HELDOUT_BOOKS), data.BOOK_END)
        if not (out / "tokenizer.model").exists():
            train_tokenizer(stories, out / "tokenizer.model", shape.vocab_size)
        self.tokenizer = load_tokenizer(out / "tokenizer.model")
        self.rows = data.encode_stories(stories, self.tokenizer)
        self.heldout_rows = heads(unseen, self.tokenizer, shape.seq_len)
        self.book_rows = windows(books, self.tokenizer, shape.seq_len)
        names = (*data.TRAIN_FILES, data.HELDOUT_STORIES, data.HELDOUT_BOOKS)
        self.digests = {name: data.file_digest(corpora / name) for name in names}
        self.model = Llama(shape)
        self.optimizer = MixedOptimizer(self.model, OptimConfig())
        self.step = self.tokens = self.epoch = self.batch = 0
        self.minutes = 0.0
        self.resume()

    def save(self) -> None:
        """Write the checkpoint beside the old one, then replace it: a crash leaves one whole file."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "counters": (self.step, self.tokens, self.epoch, self.batch, self.minutes),
            "shape": asdict(self.shape),
        }
        torch.save(state, self.out / "checkpoint.new")
        os.replace(self.out / "checkpoint.new", self.out / "checkpoint.pt")

    def resume(self) -> None:
        """Go on from the checkpoint in the output folder, where there is one."""
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["shape"] != asdict(self.shape):
            raise CheckpointMismatch(f"{path} holds a model of another shape: choose another --out")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.tokens, self.epoch, self.batch, self.minutes = state["counters"]
        # Steps after the checkpoint are taken again, so their lines would stand twice.
        lines = self.log_path.read_text().splitlines(keepends=True) if self.log_path.exists() else []
        self.log_path.write_text("".join(line for line in lines if json.loads(line)["step"] <= self.step))

    def batches(self) -> Iterator[list[list[int]]]:
        """Batches from where the run stands, epoch after epoch, each in its own order."""
        while True:
            epoch = data.epoch_batches(
                self.rows,
                seq_len=self.shape.seq_len,
                batch_tokens=self.run.batch_tokens,
                joined_share=self.run.joined_share,
                seed=self.run.seed * 1000 + self.epoch,
            )
            for index, rows in enumerate(epoch):
                if index >= self.batch:
                    self.batch = index + 1
                    yield rows
            self.epoch, self.batch = self.epoch + 1, 0

    def train_step(self, rows: list[list[int]], rate: float) -> float:
        """One update; returns the mean loss of the batch in nats a token."""
        inputs, targets = to_tensors(rows)
        loss = F.cross_entropy(self.model(inputs).flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        loss.backward()
        self.optimizer.step(rate)
        self.step += 1
        self.tokens += int((targets != IGNORED).sum())
        return loss.item()

    def clock(self) -> float:
        """Seconds of processor time a thread: other work on the machine neither spends nor shortens the budget."""
        return time.process_time() / self.run.threads

    def finished(self) -> bool:
        return self.minutes >= self.run.minutes or self.step == self.run.max_steps

    def fit(self) -> None:
        """Train until the budget is spent; evaluating and saving count towards it."""
        started = self.clock() - 60 * self.minutes
        next_eval = self.minutes + self.run.eval_minutes
        recent: list[float] = []
        batches = self.batches()
        # The check comes before a batch is taken: the checkpoint counts only batches that were trained on.
        while not self.finished():
            rate = rate_at(self.minutes / self.run.minutes, self.run)
            recent.append(self.train_step(next(batches), rate))
            self.minutes = (self.clock() - started) / 60
            if self.step % LOG_STEPS == 0:
                self.log({"lr": rate, "train_loss": round(sum(recent) / len(recent), 4)})
                recent.clear()
            if self.minutes >= next_eval and not self.finished():
                next_eval = self.minutes + self.run.eval_minutes
                self.log({"lr": rate, "heldout_loss": round(self.quick_heldout(), 4)})
                self.save()
                self.minutes = (self.clock() - started) / 60
        self.save()

    def log(self, entry: dict[str, float]) -> None:
        """Append one line to log.jsonl and show it; `lr` is the factor that `rate_at` gave."""
        position = {"step": self.step, "minutes": round(self.minutes, 3), "tokens": self.tokens}
        line = json.dumps(position | entry)
        with self.log_path.open("a") as sink:
            sink.write(line + "\n")
        print(line, flush=True)

    def quick_heldout(self) -> float:
        """Nats a token on the first few held-out stories: a signal for the log, not the reported figure."""
        return held_out(self.model, self.heldout_rows[: self.run.eval_stories], self.tokenizer).nats_per_token

    def summary(self) -> dict[str, object]:
        """All that the model card reports; the held-out files are read whole."""
        return {
            "model": asdict(self.shape),
            "parameters": self.model.parameter_count(),
            "run": asdict(self.run),
            "optimizer": asdict(self.optimizer.config),
            "data_sha256": self.digests,
            "stories": len(self.rows),
            "tokens_per_epoch": sum(len(row) - 1 for row in self.rows),
            "steps": self.step,
            "tokens_seen": self.tokens,
            "processor_minutes": round(self.minutes, 2),
            "heldout_stories": held_out(self.model, self.heldout_rows, self.tokenizer).figures(),
            "heldout_books": held_out(self.model, self.book_rows, self.tokenizer).figures(),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "sentencepiece": sentencepiece.__version__,
            },
        }
