"""Tokens a second of eight runs at once against the same runs one after another, and what a kept prompt saves.

    .venv/bin/python tests/bench/bench_serving.py [--shape 110M --shape 1.1B] [--bits 8] [--streams 8] [--tokens 64]

Models of random weights, kept in the folder of `rail bench engine --peer`. Every run must give the same ids at once as
alone. The last row of a model is a prompt whose beginning another run has read.
"""

import argparse
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from inference.engine import Engine
from inference.modelfile import ModelFile
from inference.transcript import Transcript
from web.bench.files import default_folder, own_file
from web.bench.sequence import params_of_length
from web.bench.shapes import SHAPES
from web.bench.speed import generated
from web.cli.machine import describe_machine
from web.cli.output import status

PROMPT, LONG_PROMPT = 16, 512  # tokens


def all_at_once(engine: Engine, prompts: list[list[int]], tokens: int) -> list[Transcript]:
    with ThreadPoolExecutor(len(prompts)) as pool:
        runs = [
            pool.submit(generated, engine, prompt, params_of_length(engine.model, tokens, seed))
            for seed, prompt in enumerate(prompts)
        ]
        return [run.result() for run in runs]


def one_by_one(engine: Engine, prompts: list[list[int]], tokens: int) -> list[Transcript]:
    return [
        generated(engine, prompt, params_of_length(engine.model, tokens, seed)) for seed, prompt in enumerate(prompts)
    ]


def first_token(engine: Engine, prompt: list[int]) -> float:
    """Seconds until the first token."""
    started = time.perf_counter()
    generated(engine, prompt, params_of_length(engine.model, 1))
    return time.perf_counter() - started


def main() -> int:
    """Exit code 0; 1 if a run gave other ids at once than alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", action="append", choices=SHAPES, help="[default: 110M and 1.1B]")
    parser.add_argument("--bits", type=int, choices=(8, 4), default=8)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=default_folder())
    options = parser.parse_args()
    machine = describe_machine()
    print(f"machine  {machine.processor}, {machine.cores} cores, {machine.system}")
    print(f"version  Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"command  {' '.join(sys.argv)}")
    print(f"\n{'model':8}{'work':34}{'alone':>10}{'together':>10}{'ratio':>8}")
    different = 0
    for name in options.shape or ("110M", "1.1B"):
        shape = SHAPES[name]
        with status() as tell:
            tell(f"writing random weights, {name}")
            engine = Engine(ModelFile.open(own_file(options.folder, shape, options.bits)), prefix_bytes=0)
            rng = np.random.default_rng(3)
            prompts = [rng.integers(3, 2000, PROMPT).tolist() for _ in range(options.streams)]
            times: dict[str, list[float]] = {"alone": [], "together": []}
            for turn in range(options.rounds):
                tell(f"round {turn + 1} of {options.rounds}, {name}")
                found = {}
                for way, work in (("alone", one_by_one), ("together", all_at_once)):
                    started = time.perf_counter()
                    found[way] = work(engine, prompts, options.tokens)
                    times[way].append(time.perf_counter() - started)
                different += found["alone"] != found["together"]
        rates = [options.streams * options.tokens / median(times[way]) for way in ("alone", "together")]
        work = f"{options.streams} runs of {options.tokens}, tokens/s"
        print(f"{name:8}{work:34}{rates[0]:10.1f}{rates[1]:10.1f}{rates[1] / rates[0]:8.2f}", flush=True)
        prompt = rng.integers(3, 2000, LONG_PROMPT).tolist()
        keeping = Engine(engine.model)
        cold, again = first_token(keeping, prompt), first_token(keeping, [*prompt[:-1], 5])
        assert keeping.prefixes.hits == 1, "the prompt was not kept"
        work = f"prompt of {LONG_PROMPT} read before, ms"
        print(f"{name:8}{work:34}{cold * 1e3:10.1f}{again * 1e3:10.1f}{cold / again:8.2f}", flush=True)
    print("the same ids alone and together" if not different else f"{different} rounds gave OTHER ids together")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
