"""The benchmarks still run, at sizes too small to measure anything."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("bench_append.py", ("--count", "8", "--postgresql", "")),
        ("bench_submit.py", ("--count", "8", "--rounds", "1", "--postgresql", "")),
        ("bench_convert.py", ("--layers", "1", "--shrink", "16")),
        ("bench_sampler.py", ("--vocab", "600", "--rounds", "2")),
        ("bench_serving.py", ("--shape", "tiny", "--tokens", "8")),
        ("bench_growth.py", ("--sizes", "600,1200", "--postgresql", "")),
        ("bench_storage.py", ("--count", "20", "--postgresql", "")),
        ("bench_verify.py", ("--records", "150", "--checks", "3")),
        ("bench_index_store.py", ("--records", "5000")),
        ("bench_quality.py", ("--windows", "1")),
    ],
)
def test_benchmark_runs(script: str, options: tuple[str, ...], shared_data: Path) -> None:
    command = [sys.executable, str(FOLDER / script), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "command" in done.stdout
