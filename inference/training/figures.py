"""Bits a byte of a trained model, float and integer: `python -m inference.training.figures --corpora DIR --out OUT`.

Converts OUT/model.bin with 8 and with 4 bits, and measures all three on the same rows of the held-out texts.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.convert.options import ConvertOptions
from inference.convert.pipeline import convert
from inference.engine import Engine
from inference.modelfile import ModelFile
from inference.training import data, numpy_forward
from inference.training.command import ended
from inference.training.rows import bytes_of, heads, windows
from inference.training.tokenizer import load_tokenizer

LOGIT_ONE = 1 << 16  # of the engine's logits, SPEC.md section 2
Logits = Callable[[data.Row], NDArray[np.float64]]


def nats(logits: NDArray[np.float64], row: data.Row) -> float:
    """Negative log likelihood of all ids but the first; logits after each id but the last."""
    top = logits.max(axis=1)
    chosen = logits[np.arange(len(logits)), row[1:]]
    return float((top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - chosen).sum())


def integer_logits(engine: Engine) -> Logits:
    return lambda row: engine.logits(row[:-1]) / np.float64(LOGIT_ONE)


def float_logits(path: Path) -> Logits:
    exported = numpy_forward.read_llama2c(path)
    return lambda row: numpy_forward.logits(exported, row[:-1])


def measure(arguments: argparse.Namespace) -> int:
    source, vocabulary = arguments.out / "model.bin", arguments.out / "tokenizer.model"
    tokenizer = load_tokenizer(vocabulary)
    context = len(numpy_forward.read_llama2c(source).tensors["cos"])
    texts = {
        "stories": heads(data.read_texts(arguments.corpora, (data.HELDOUT_STORIES,)), tokenizer, context),
        "books": windows(data.read_texts(arguments.corpora, (data.HELDOUT_BOOKS,)), tokenizer, context),
    }
    with tempfile.TemporaryDirectory() as folder:
        forms = {"float32": (float_logits(source), source.stat().st_size)}
        for bits in (8, 4):
            path = Path(folder) / f"{bits}.rail"
            convert(source, path, vocabulary, "figures", ConvertOptions(layer_bits=bits, head_bits=bits))
            engine = Engine(ModelFile.open(path, use_cache=False))
            forms[f"{bits} bits"] = (integer_logits(engine), path.stat().st_size)
        found = {}
        for form, (logits, size) in forms.items():
            found[form] = {"bytes": size}
            for name, rows in texts.items():
                some = rows[:: max(1, len(rows) // (arguments.rows or len(rows)))]
                total = sum(nats(logits(row), row) for row in some)
                found[form][name] = total / math.log(2) / sum(bytes_of(row, tokenizer) for row in some)
                print(f"{form:8} {name:8} {found[form][name]:.4f} bits/byte", file=sys.stderr)
    print(json.dumps(found, indent=2))
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference.training.figures", description="Bits a byte.")
    parser.add_argument("--corpora", type=Path, required=True, help="folder of the corpus files")
    parser.add_argument("--out", type=Path, required=True, help="folder that the training wrote")
    parser.add_argument("--rows", type=int, help="of each text, evenly spread (default: all)")
    arguments = parser.parse_args(argv)
    return ended(lambda: measure(arguments))


if __name__ == "__main__":
    sys.exit(main())
