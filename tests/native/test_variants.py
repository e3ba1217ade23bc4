"""Other builds of the same sources give the same bits: compilers, optimisation, processors, sanitizers."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

from tests.native import builds
from tests.native.random_model import FAMILIES
from tests.native.recorded_run import record

TINY = {"dim": 20, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "head_dim": 6, "ffn_dim": 24, "vocab_size": 40}
KERNEL_TESTS = [f"tests/native/test_{name}.py" for name in ("kernels", "softmax", "products")]
STEP_TESTS = [f"tests/native/test_{name}.py" for name in ("forward", "steps")]
LEDGER_TESTS = [f"tests/ledger/{name}.py" for name in ("test_cbor", "test_compiled_matching", "index/test_blocks")]
SAMPLER_TEST = "tests/native/test_sampler.py"
on_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="for processors of x86-64")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Files of runs: one past every block of tokens and positions, and short ones of models with everything on."""
    folder = tmp_path_factory.mktemp("runs")
    record(640, 20, 3, **TINY, context_tokens=640).dump(folder / "long")
    record(70, 66, 4, **{**FAMILIES["packed"], "n_layers": 1}).dump(folder / "packed")
    record(90, 50, 5, **{**FAMILIES["qwen3"], "qkv_bias": True, "window_tokens": 37}).dump(folder / "qwen")
    return [str(folder / name) for name in ("long", "packed", "qwen")]


def same_everywhere(program: list[str], runs: list[str], sets: set[str], **environment: str) -> None:
    """Every way of the harness, for at least these kernel sets."""
    lines = builds.run([*program, *runs], **environment).splitlines()
    assert all(line.endswith(": same") for line in lines)
    found = {line.split(", ")[1] for line in lines}
    assert sets <= found
    assert len(lines) == len(runs) * len(found) * 4 * 5  # thread counts; chunks, and the drawn run


@pytest.mark.parametrize("optimisation", ["-O0", "-O1", "-O2", "-O3"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compilers(tmp_path: Path, runs: list[str], compiler: str, optimisation: str) -> None:
    program = builds.compile_program(tmp_path, [compiler], optimisation)
    same_everywhere([str(program)], runs, {"portable"})


@pytest.mark.parametrize(
    "compiler",
    [
        ["aarch64-linux-gnu-gcc", "-O3"],
        ["aarch64-linux-gnu-gcc", "-O1"],
        ["clang", "--target=aarch64-linux-gnu", "-O2"],
    ],
    ids=["gcc-O3", "gcc-O1", "clang-O2"],
)
def test_another_architecture(tmp_path: Path, runs: list[str], compiler: list[str]) -> None:
    """A processor with the dot product instruction has one more set than a processor without."""
    builds.required("aarch64-linux-gnu-gcc")  # brings the C library, for clang too
    builds.required("qemu-aarch64")
    program = str(builds.compile_program(tmp_path, compiler, "-static"))
    same_everywhere(["qemu-aarch64", "-cpu", "max", program], runs, {"portable", "neon"})
    same_everywhere(["qemu-aarch64", "-cpu", "cortex-a53", program], runs[-1:], {"portable"})


@on_x86_64
def test_the_oldest_processor_of_the_architecture(tmp_path: Path, runs: list[str]) -> None:
    """Nothing outside the named sets needs more than the first x86-64 had."""
    builds.required("qemu-x86_64")
    program = str(builds.compile_program(tmp_path, ["gcc"], "-O3", "-static"))
    lines = builds.run(["qemu-x86_64", "-cpu", "qemu64", program, runs[-1]]).splitlines()
    assert len(lines) == 20
    assert all(", portable, " in line and line.endswith(": same") for line in lines)


@on_x86_64
def test_sets_that_this_processor_lacks(tmp_path: Path, runs: list[str]) -> None:
    program = builds.compile_program(tmp_path, ["gcc"], "-O2", *builds.EMULATE)
    same_everywhere([str(program)], runs, {"portable", "avx512", "avx512vnni", "amx"})


@on_x86_64
@pytest.mark.timeout(900)
def test_kernels_that_this_processor_lacks(tmp_path: Path) -> None:
    builds.check_extension(
        tmp_path, "native/build.py", [*builds.EMULATE, "-O2"], [*KERNEL_TESTS, SAMPLER_TEST], RAIL_TEST_EXPECT="amx"
    )


def test_harness_under_sanitizers(tmp_path: Path, runs: list[str]) -> None:
    program = builds.compile_program(tmp_path, ["gcc"], *builds.SANITIZE, "-O1", "-g")
    same_everywhere([str(program)], runs, {"portable"}, UBSAN_OPTIONS="halt_on_error=1")


@on_x86_64
def test_emulated_sets_under_sanitizers(tmp_path: Path, runs: list[str]) -> None:
    """Masked lanes and tiles must not touch memory past an array; on the processor itself nobody would see it."""
    program = builds.compile_program(tmp_path, ["gcc"], "-fsanitize=address", "-O1", *builds.EMULATE)
    same_everywhere([str(program)], runs[1:], {"portable", "avx512", "avx512vnni", "amx"})


def test_threads_under_a_race_detector(tmp_path: Path, runs: list[str]) -> None:
    program = builds.compile_program(tmp_path, ["gcc"], "-fsanitize=thread", "-O2", "-g")
    same_everywhere([str(program)], runs[1:2], {"portable"}, TSAN_OPTIONS="halt_on_error=1")


def test_every_allocation_that_fails_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    wrapped = [f"-Wl,--wrap={name}" for name in ("malloc", "calloc", "aligned_alloc", "free", "pthread_create")]
    program = builds.compile_program(
        tmp_path, ["gcc"], "-O1", *wrapped, main=builds.HARNESS.parent / "short_of_memory.c"
    )
    models, sessions = map(int, builds.run([str(program)]).split())
    assert models > 50
    assert sessions == 7


@on_x86_64
def test_the_ledger_s_hashes_without_avx2(tmp_path: Path) -> None:
    builds.check_extension(tmp_path, "ledger/compiled/build.py", ["-DRAIL_PORTABLE", "-O2"], LEDGER_TESTS[1:2])


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("script", "files"),
    [
        ("native/build.py", [*KERNEL_TESTS, *STEP_TESTS, SAMPLER_TEST]),
        (
            "ledger/compiled/build.py",
            [
                "tests/ledger/test_cbor.py",
                "tests/ledger/test_compiled_matching.py",
                "tests/ledger/index/test_blocks.py",
            ],
        ),
    ],
    ids=["native", "ledger"],
)
def test_extension_under_sanitizers(tmp_path: Path, script: str, files: list[str]) -> None:
    runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    assert os.path.isabs(runtime), "gcc has no AddressSanitizer"
    options = {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1"}
    builds.check_extension(tmp_path, script, [*builds.SANITIZE, "-O1"], files, **options)
