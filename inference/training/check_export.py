"""Does model.bin say what the checkpoint says? `python -m inference.training.check_export --corpora DIR --out DIR`.

Compares torch on checkpoint.pt with NumPy on model.bin over a few held-out stories; exit code 1 when they differ.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from inference.training import data, numpy_forward
from inference.training.command import ended
from inference.training.evaluate import held_out
from inference.training.loop import load_checkpoint
from inference.training.model import Llama, ModelConfig
from inference.training.rows import heads
from inference.training.tokenizer import load_tokenizer

STORIES = 5
# Float32 against float64 over the same weights: far above rounding, far below any mix-up of tensors.
TOLERANCE_NATS = 1e-4


def check(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(arguments.out / "tokenizer.model")
    state = load_checkpoint(arguments.out / "checkpoint.pt")
    model = Llama(ModelConfig(**state["shape"]))
    model.load_state_dict(state["model"])
    stories = data.read_texts(arguments.corpora, (data.HELDOUT_STORIES,))[:STORIES]
    rows = heads(stories, tokenizer, model.config.seq_len)
    by_torch = held_out(model, rows, tokenizer).nats_per_token
    by_numpy = numpy_forward.nats_per_token(numpy_forward.read_llama2c(arguments.out / "model.bin"), rows)
    same = abs(by_torch - by_numpy) < TOLERANCE_NATS
    print(
        f"torch {by_torch:.6f}  numpy {by_numpy:.6f}  nats/token on {STORIES} stories: {'same' if same else 'DIFFER'}"
    )
    return 0 if same else 1


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.check_export", description="Verify model.bin.")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the corpus files")
    parser.add_argument("--out", type=Path, required=True, help="folder that the training wrote")
    arguments = parser.parse_args(argv)
    return ended(lambda: check(arguments))


if __name__ == "__main__":
    sys.exit(main())
