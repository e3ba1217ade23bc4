"""Longest verbatim runs that generations share with the training text.

`python -m inference.training.memorisation --corpora DIR` samples texts from the shipped integer model, with no prompt
and seeds 1, 2, 3, ..., and reports in words (what white space separates, marks and capitals included) the longest run
of each that stands in a training text. The held-out stories, as long as the generations, are measured beside them: what
anyone shares with the training text by writing in its manner.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.drain import drain
from inference.engine import Engine
from inference.modelfile import ModelFile
from inference.models import default_model_path
from inference.sampling import SamplingParams
from inference.training import data
from inference.training.command import ended

TOKENS = 256
MANNER = SamplingParams(max_tokens=TOKENS, temperature_micro=700_000, top_p_micro=900_000)  # of the model card
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: no word is lost from the hash of a run


def as_numbers(texts: list[str], known: dict[str, int], end: str) -> NDArray[np.int64]:
    """The words of all texts; `end`, which is no word, stands after each."""
    return np.array([known.setdefault(word, len(known)) for text in texts for word in (*text.split(), end)])


def longest_runs(texts: list[str], training: list[str]) -> NDArray[np.int64]:
    """For each text the words of its longest run that stands in one of the training texts.

    Runs are compared by 64-bit hashes of random word numbers, one length after the other; a place whose run of n words
    is nowhere has none of n + 1.
    """
    known: dict[str, int] = {}
    theirs, ours = as_numbers(training, known, " "), as_numbers(texts, known, "  ")
    words = np.random.default_rng(1).integers(0, 1 << 64, len(known), np.uint64)
    theirs, ours = words[theirs], words[ours]
    text_of = np.repeat(np.arange(len(texts)), [len(text.split()) + 1 for text in texts])
    longest = np.zeros(len(texts), np.int64)
    their_runs, our_runs, places = np.zeros_like(theirs), np.zeros_like(ours), np.arange(len(ours))
    length = 0
    while len(places):
        # A run that would go past the last word keeps the hash of a shorter one: it ends in the mark, so it is nowhere.
        their_runs[: len(theirs) - length] = their_runs[: len(theirs) - length] * FACTOR + theirs[length:]
        our_runs[: len(ours) - length] = our_runs[: len(ours) - length] * FACTOR + ours[length:]
        known_runs = np.sort(their_runs[: len(theirs) - length])
        found = np.searchsorted(known_runs, our_runs[places])
        places = places[known_runs[np.minimum(found, len(known_runs) - 1)] == our_runs[places]]
        length += 1
        longest[text_of[places]] = length
    return longest


def generations(model: Path, count: int) -> list[str]:
    texts = []
    engine = Engine(ModelFile.open(model))
    for seed in range(1, count + 1):
        transcript = drain(engine.generate(engine.encode_prompt(""), replace(MANNER, seed=seed)))
        texts.append(transcript.output_bytes.decode(errors="replace"))
        if seed % 100 == 0:
            print(f"{seed} of {count} generations", file=sys.stderr)
    return texts


def figures(runs: NDArray[np.int64], texts: list[str]) -> dict[str, object]:
    return {
        "texts": len(texts),
        "mean_words": round(sum(len(text.split()) for text in texts) / len(texts), 1),
        "median_run": int(np.median(runs)),
        "run_of_99_percent": int(np.quantile(runs, 0.99, method="higher")),
        "longest_run": int(runs.max()),
        "texts_with_16_words": int((runs >= 16).sum()),
        "texts_with_24_words": int((runs >= 24).sum()),
    }


def measure(arguments: argparse.Namespace) -> int:
    training = data.read_texts(arguments.corpora, (*data.STORY_FILES, *data.BOOK_FILES))
    written = generations(arguments.model, arguments.count)
    limit = round(sum(len(text.split()) for text in written) / len(written))
    unseen = [" ".join(text.split()[:limit]) for text in data.read_texts(arguments.corpora, (data.HELDOUT_STORIES,))]
    runs = longest_runs(written + unseen, training)
    ours, theirs = runs[: len(written)], runs[len(written) :]
    report = {"generations": figures(ours, written), "held_out_stories": figures(theirs, unseen)}
    print(json.dumps(report | {"text_with_the_longest_run": written[int(ours.argmax())]}, indent=2))
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.memorisation", description="Longest runs.")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the corpus files")
    parser.add_argument("--model", type=Path, default=default_model_path(), help="default: the shipped model")
    parser.add_argument("--count", type=int, default=1000, help="generations (default 1000)")
    arguments = parser.parse_args(argv)
    return ended(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main())
