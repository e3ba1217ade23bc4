"""Command line of the training: `python -m inference.training.train --corpora DIR --out DIR --minutes N`.

The output folder ends with checkpoint.pt, model.bin (llama2.c layout), tokenizer.model,
log.jsonl and summary.json. The same command again continues an unfinished run.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from inference.training.command import ended


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inference.training.train", description="Train the default model.")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the corpus files")
    parser.add_argument("--out", type=Path, required=True, help="folder for all results; an unfinished run continues")
    parser.add_argument("--minutes", type=float, required=True, help="processor minutes a thread, all runs together")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument(
        "--shape",
        type=int,
        nargs=6,
        metavar=("WIDTH", "HIDDEN", "LAYERS", "HEADS", "KV_HEADS", "VOCABULARY"),
        help="of the network (default: the shipped model's)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first weights and the order of the stories")
    return parser.parse_args(argv)


def train(arguments: argparse.Namespace) -> int:
    # Torch is not a dependency of the package, so it is looked for only here.
    from inference.training.export import export_llama2c
    from inference.training.loop import RunConfig, Training
    from inference.training.model import ModelConfig

    arguments.out.mkdir(parents=True, exist_ok=True)
    run = RunConfig(minutes=arguments.minutes, threads=arguments.threads, seed=arguments.seed)
    training = Training(arguments.corpora, arguments.out, ModelConfig(*arguments.shape or ()), run)
    training.fit()
    export_llama2c(training.model, arguments.out / "model.bin")
    summary = json.dumps(training.summary(), indent=2)
    (arguments.out / "summary.json").write_text(summary + "\n")
    print(summary)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when the model is written, 2 when something that the run needs is absent."""
    arguments = parse_arguments(argv)
    return ended(lambda: train(arguments))


if __name__ == "__main__":
    sys.exit(main())
