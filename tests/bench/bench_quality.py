"""Perplexity of the integer engine, and of llama.cpp's Q4_0, over that of the float32 model on the same tokens.

    .venv/bin/python tests/bench/bench_quality.py [--windows N] [--only MODEL]

W8A8 and W4A8 are what `rail convert` makes by default, and with `--bits 4`. Q4_0 stands for its weights alone: they are
multiplied in float32, with activations that nobody rounds. Windows of at most the model's context, spread evenly over
each text. Bits a weight are those of the matrices that multiply, scales and codes included; codebooks, 4 KiB whatever
the model, are left out.
"""

import argparse
import math
import os
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "inference")]

import q4_0  # noqa: E402
from float_reference import float_logits, nll  # noqa: E402

from inference.convert.float_model import FloatModel  # noqa: E402
from inference.convert.formats import read_checkpoint  # noqa: E402
from inference.convert.options import ConvertOptions  # noqa: E402
from inference.convert.pipeline import convert  # noqa: E402
from inference.engine import Engine  # noqa: E402
from inference.layout import matrix_shapes  # noqa: E402
from inference.modelfile import ModelFile  # noqa: E402
from web.cli.machine import describe_machine  # noqa: E402
from web.cli.output import progress_bars  # noqa: E402

DATA = Path(os.environ.get("RAIL_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
MODELS = {
    "stories260K": ("stories260K.bin", "stories260K_tok512.model"),
    "babyllama361": ("babyllama361.bin", "babyllama361_tok361.derived.bin"),
}
FLOAT = REPOSITORY / "inference" / "training" / "checkpoint"  # source of the shipped model
TEXTS = ("tinystories_heldout_en.txt", "heldout_books_en.txt", "eval/wiki.test.raw")
DOCUMENT = re.compile(r"<\|endoftext\|>|\n(?= = [^=])")  # between stories, and before the headings of articles
FORMATS = {"W8A8": ConvertOptions(), "W4A8": ConvertOptions(layer_bits=4, head_bits=4)}


@dataclass(frozen=True, slots=True)
class Case:
    """One model in all forms."""

    name: str
    model: FloatModel
    q4_0: FloatModel
    engines: dict[str, Engine]

    def bits(self) -> dict[str, float]:
        return {name: bits_a_weight(engine.model) for name, engine in self.engines.items()} | {
            "Q4_0": q4_0.bits_a_weight(self.model)
        }

    def nats(self, ids: list[int]) -> dict[str, float]:
        """Negative log likelihood of a window in every form."""
        found = {name: nll(engine.logits(ids) / np.float64(1 << 16), ids) for name, engine in self.engines.items()}
        return found | {
            "float32": nll(float_logits(self.model, ids), ids),
            "Q4_0": nll(float_logits(self.q4_0, ids), ids),
        }


def bits_a_weight(model: ModelFile) -> float:
    shapes = {name: shape for name, shape in matrix_shapes(model.config).items() if name != "tok_embed"}
    stored = sum(
        model.tensors[part].nbytes for name in shapes for part in (name, f"{name}.scale", f"{name}.code")
        if part in model.tensors
    )  # fmt: skip
    return 8 * stored / sum(rows * columns for rows, columns in shapes.values())


def load(name: str, checkpoint: Path, tokenizer: Path, folder: Path) -> Case:
    source = read_checkpoint(checkpoint, tokenizer, name).model
    model = FloatModel(
        source.config, {key: source.tensor(key) for key in source.tensors}, source.rope_frequencies, source.vocabulary
    )
    engines = {}
    for form, options in FORMATS.items():
        path = folder / f"{name}-{form}.rail"
        convert(checkpoint, path, tokenizer, name, options)
        engines[form] = Engine(ModelFile.open(path, use_cache=False))
    return Case(name, model, q4_0.quantised(model), engines)


def windows(case: Case, text: str, count: int) -> list[list[int]]:
    """At most `count` beginnings of documents and what follows in them, each as long as the context allows."""
    encode, bos = case.engines["W8A8"].tokenizer.encode, case.model.vocabulary.bos_id
    first = [] if bos is None else [bos]
    size = case.model.config.context_tokens - len(first)
    found = []
    for document in DOCUMENT.split(text):
        ids = encode(document.strip())[len(first) :]
        found += [first + ids[start : start + size] for start in range(0, len(ids), size)]
    return [found[i * len(found) // count] for i in range(count)] if len(found) > count else found


def main() -> int:
    """Exit code 0; 2 if the corpora are not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=100, help="of each text [default: %(default)s]")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="folder with models/ and corpora/ [default: %(default)s]"
    )
    parser.add_argument(
        "--only", action="append", choices=[*MODELS, "default"], help="this model; may be given several times"
    )
    options = parser.parse_args()
    if not (options.data / "corpora").is_dir():
        print(f"skipped: no corpora at {options.data} (set RAIL_SHARED_DATA)", file=sys.stderr)
        return 2
    sources = {name: [options.data / "models" / file for file in files] for name, files in MODELS.items()}
    sources["default"] = [FLOAT / "model.bin", FLOAT / "tokenizer.model"]
    sources = {name: files for name, files in sources.items() if name in (options.only or sources)}
    machine = describe_machine()
    print(f"machine  {machine.processor}, {machine.cores} cores, {machine.system}")
    print(f"version  Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"command  python {' '.join(sys.argv)}")
    print(f"\n{'model':14}{'text':28}{'tokens':>8}{'float32':>10}{'W8A8':>9}{'W4A8':>9}{'Q4_0':>9}")
    with tempfile.TemporaryDirectory() as folder, progress_bars() as bar:
        for name, (checkpoint, tokenizer) in sources.items():
            case = load(name, checkpoint, tokenizer, Path(folder))
            for text in TEXTS:
                chosen = windows(case, (options.data / "corpora" / text).read_text(encoding="utf-8"), options.windows)
                advance = bar(f"{name}, {text}")
                sums = dict.fromkeys(("float32", "W8A8", "W4A8", "Q4_0"), 0.0)
                for done, ids in enumerate(chosen, 1):
                    for form, nats in case.nats(ids).items():
                        sums[form] += nats
                    advance(done, len(chosen))
                tokens = sum(len(ids) - 1 for ids in chosen)
                float32 = sums.pop("float32")
                ratios = "".join(f"{math.exp((nats - float32) / tokens):9.4f}" for nats in sums.values())
                print(f"{name:14}{text:28}{tokens:>8,}{math.exp(float32 / tokens):10.3f}{ratios}", flush=True)
            print(
                f"{name:14}{'bits a weight':46}" + "".join(f"{bits:9.2f}" for bits in case.bits().values()), flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
