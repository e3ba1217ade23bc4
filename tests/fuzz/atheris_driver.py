"""Runs a fuzz target under atheris, which steers by coverage: `python tests/fuzz/atheris_driver.py TARGET EXECUTIONS`.

Needs `pip install atheris`. Its coverage and AddressSanitizer do not go together: for kernels built with
RAIL_CFLAGS="-fsanitize=address,undefined" run the plain loops (`test_*_target.py`), gcc's libasan.so preloaded.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

with atheris.instrument_imports(include=["inference", "ledger"]):
    import ledger_seeds
    import ledger_targets
    import model_target
    import source_seeds
    import source_targets
    import tokenizer_target
    from corpora import FOUND, kept


def main() -> None:
    name, executions = sys.argv[1:]
    targets: dict[str, Callable[[bytes], None]] = {
        **model_target.TARGETS,
        **source_targets.TARGETS,
        **ledger_targets.TARGETS,
    }
    targets["tokenizer"] = tokenizer_target.tokenizer_target
    seeds = {
        **model_target.model_seeds(),
        **source_seeds.seeds(),
        **ledger_seeds.seeds(),
        "tokenizer": tokenizer_target.tokenizer_seeds(),
    }
    corpus = FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate([*seeds[name], *kept(name)]):
        (corpus / str(number)).write_bytes(data)
    limits = [f"-runs={executions}", "-max_len=100000", "-rss_limit_mb=4096", "-timeout=600"]
    atheris.Setup([sys.argv[0], str(corpus), *limits], targets[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
