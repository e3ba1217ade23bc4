"""The benchmarks still run, at sizes too small to measure anything."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
MODELS = ("models/stories260K.bin", "models/stories260K_tok512.model")


@pytest.mark.parametrize(
    ("script", "data", "options"),
    [
        ("bench_append.py", (), ("--count", "8", "--postgresql", "")),
        ("bench_sampler.py", (), ("--vocab", "6000", "--rounds", "2")),
        ("bench_verify.py", (), ("--records", "150")),
        ("bench_quality.py", MODELS, ("--stories", "1")),
    ],
)
def test_benchmark_runs(script, data, options, shared_data):
    command = [sys.executable, str(FOLDER / script), *(str(shared_data / name) for name in data), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "command" in done.stdout
