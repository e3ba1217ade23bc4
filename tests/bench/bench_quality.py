"""Perplexity and bits per byte of the integer engine beside the float32 model, on the same held-out tokens.

    python tests/bench/bench_quality.py CHECKPOINT.bin TOKENIZER [--corpora DIR] [--stories N]

Each story is cut at the context; bytes are those of the predicted tokens' text.
"""

import argparse
import math
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "inference")]

from float_reference import float_logits, nll  # noqa: E402

from inference.convert import llama2c  # noqa: E402
from inference.convert.pipeline import convert  # noqa: E402
from inference.convert.sources import Source  # noqa: E402
from inference.engine import Engine  # noqa: E402
from inference.modelfile import ModelFile  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--corpora", type=Path, default=REPOSITORY.parent / "shared" / "data" / "corpora")
    parser.add_argument("--stories", type=int, default=1000)
    options = parser.parse_args()

    header = llama2c.read_header(Source.open(options.checkpoint), "m")
    source = llama2c.read_checkpoint(header, Source.open(options.tokenizer))
    with tempfile.TemporaryDirectory() as folder:
        root = convert(options.checkpoint, Path(folder) / "m.rail", options.tokenizer, name="m")
        engine = Engine(ModelFile.open(Path(folder) / "m.rail"))
    corpus = (options.corpora / "tinystories_heldout_en.txt").read_text(encoding="utf-8")
    stories = [story.strip() for story in corpus.split("<|endoftext|>") if story.strip()][: options.stories]
    tokens = size = 0
    nats = {"float32": 0.0, "rail-int/1": 0.0}
    for story in stories:
        ids = engine.tokenizer.encode(story)[: source.config.context_tokens]
        nats["float32"] += nll(float_logits(source, ids), ids)
        nats["rail-int/1"] += nll(engine.logits(ids) / np.float64(1 << 16), ids)
        tokens += len(ids) - 1
        size += len(engine.tokenizer.decode(ids))
    print(f"machine  {platform.machine()}, {engine.kernels} kernels, Python {platform.python_version()}")
    print(f"command  python {' '.join(sys.argv)}")
    print(
        f"model    {options.checkpoint.name}, root {root.hex()}, {len(stories)} stories, {tokens} tokens, {size} bytes"
    )
    print(f"{'':12}{'nats/token':>12}{'perplexity':>12}{'bits/byte':>12}{'ratio':>10}")
    reference = math.exp(nats["float32"] / tokens)
    for name, sum_nats in nats.items():
        perplexity = math.exp(sum_nats / tokens)
        bits = sum_nats / math.log(2) / size
        print(f"{name:12}{sum_nats / tokens:12.4f}{perplexity:12.4f}{bits:12.4f}{perplexity / reference:10.5f}")


if __name__ == "__main__":
    main()
