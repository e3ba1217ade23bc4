"""Draw the loss curve of the model card: `python -m inference.training.plot_loss LOG.jsonl LOSS.png`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from matplotlib.figure import Figure


def series(entries: list[dict[str, float]], name: str) -> tuple[list[float], list[float]]:
    """Millions of tokens seen and the named loss, of the entries that have it."""
    chosen = [entry for entry in entries if name in entry]
    return [entry["tokens"] / 1e6 for entry in chosen], [entry[name] for entry in chosen]


def draw(log: Path, picture: Path) -> None:
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(6, 3.4), dpi=100)
    axes = figure.subplots()
    axes.plot(*series(entries, "train_loss"), color="#8aa4c8", linewidth=1, label="training batches, both kinds")
    axes.plot(*series(entries, "unseen_books"), "s-", color="#3c7a4b", markersize=4, label="held-out books")
    axes.plot(*series(entries, "unseen_stories"), "o-", color="#b03a2e", markersize=4, label="held-out stories")
    axes.set_xlabel("tokens seen (millions)")
    axes.set_ylabel("loss (nats per token)")
    # The first steps start near ln(vocabulary) and would flatten the rest of the curve.
    axes.set_ylim(bottom=1.0, top=5.5)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    # No date in the file: the same log gives the same picture.
    figure.savefig(picture, metadata={"Software": None})


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.plot_loss", description="Draw the loss curve.")
    parser.add_argument("log", type=Path, help="log.jsonl of a training run")
    parser.add_argument("picture", type=Path, help="PNG to write")
    arguments = parser.parse_args(argv)
    draw(arguments.log, arguments.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
