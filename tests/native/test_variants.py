"""The kernel tests again over other builds of the same sources: sanitizers, another compiler, no optimisation, and
AVX-512 through an intrinsics emulator, so that this set is tested on machines that lack it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import simde_py

REPOSITORY = Path(__file__).resolve().parents[2]
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"


def library(compiler: str, name: str) -> str:
    return subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()


def required(present: bool, what: str) -> None:
    """Skip where a tool is missing, fail where CI promised it."""
    if not present:
        assert not os.environ.get("RAIL_REQUIRE_TOOLS"), f"{what} is missing (RAIL_REQUIRE_TOOLS is set)"
        pytest.skip(f"{what} is not installed")


def build_and_test(folder: Path, flags: str, compiler: str = "gcc", **environment: str) -> None:
    """Build a copy of native/ with `flags`, then run the kernel tests against it in a fresh process."""
    shutil.copytree(
        REPOSITORY / "native", folder / "native", ignore=shutil.ignore_patterns("*.so", "_native.c", "build")
    )
    for package in ("inference", "tests"):
        (folder / package).symlink_to(REPOSITORY / package)
    env = {**os.environ, "CC": compiler, "RAIL_CFLAGS": flags}
    subprocess.run([sys.executable, "native/build.py"], cwd=folder, env=env, check=True, capture_output=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={folder}"]
    command += ["--rootdir", str(folder), "-c", str(REPOSITORY / "pyproject.toml")]
    command += [f"tests/native/test_{name}.py" for name in ("kernels", "forward", "sampler")]
    command += ["tests/inference/test_default_model.py"]
    env = {**os.environ, "RAIL_TEST_VARIANT": str(folder), **environment}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_address_and_undefined_behaviour_sanitizers(tmp_path):
    runtime = library("gcc", "libasan.so")
    required(os.path.isabs(runtime), "gcc's AddressSanitizer runtime")
    options = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1"}
    build_and_test(tmp_path, f"{SANITIZE} -O1", **options)


def test_clang_without_optimisation(tmp_path):
    required(shutil.which("clang") is not None, "clang")
    build_and_test(tmp_path, "-O0", compiler="clang")


def test_avx512_through_an_emulator(tmp_path):
    flags = f"-O1 -mavx2 -DRAIL_EMULATE_AVX512 -DSIMDE_ENABLE_NATIVE_ALIASES -isystem {simde_py.get_include()}"
    build_and_test(tmp_path, flags, RAIL_TEST_EXPECT="avx512vnni")
