"""Other builds of what is in C: by another compiler, for another processor, with other flags."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import simde_py

REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = REPOSITORY / "native"
SOURCES = [str(path) for path in sorted(NATIVE.glob("*.c")) if path.name != "_native.c"]
HARNESS = REPOSITORY / "tests" / "native" / "harness.c"
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
# Notes about the ABI of vectors, and warnings about the emulator's own code, say nothing about ours.
EMULATE = ["-mavx2", "-w", "-DRAIL_EMULATE", "-DSIMDE_ENABLE_NATIVE_ALIASES", "-isystem", str(simde_py.get_include()),
           f"-I{HARNESS.parent}"]  # fmt: skip


def required(tool: str) -> None:
    """Skip where a tool is missing, fail where CI promised it."""
    if shutil.which(tool) is None:
        assert not os.environ.get("RAIL_REQUIRE_TOOLS"), f"{tool} is missing (RAIL_REQUIRE_TOOLS is set)"
        pytest.skip(f"{tool} is not installed")


def run(command: list[str], **environment: str) -> str:
    """What the command prints; a failure shows its end."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, f"{command[:4]}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def compile_program(folder: Path, compiler: list[str], *flags: str, main: Path = HARNESS) -> Path:
    """A C file of the tests with all of native/; a warning is an error."""
    required(compiler[0])
    program = folder / main.stem
    warnings = ["-Wall", "-Wextra", "-Werror"]
    command = [*compiler, "-std=gnu11", "-pthread", *warnings, f"-I{NATIVE}", str(main), *SOURCES]
    run([*command, *flags, "-o", str(program)])
    return program


def compile_objects(folder: Path, compiler: list[str], *flags: str) -> list[Path]:
    """One object file for each source."""
    required(compiler[0])
    objects = [folder / f"{Path(source).stem}.o" for source in SOURCES]
    for source, target in zip(SOURCES, objects, strict=True):
        run([*compiler, "-std=gnu11", f"-I{NATIVE}", *flags, "-c", source, "-o", str(target)])
    return objects


def check_extension(folder: Path, script: str, flags: list[str], files: list[str], **environment: str) -> None:
    """Build a copy of the package with this build script with `flags`, then run test files against it, afresh."""
    built = script.split("/")[0]
    shutil.copytree(REPOSITORY / built, folder / built, ignore=shutil.ignore_patterns("*.so", "_*.c", "build", "*.o"))
    for package in {"native", "inference", "ledger", "web", "tests"} - {built}:
        (folder / package).symlink_to(REPOSITORY / package)
    build = {**os.environ, "CC": "gcc", "RAIL_CFLAGS": " ".join(flags)}
    done = subprocess.run([sys.executable, script], cwd=folder, env=build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", f"pythonpath={folder}"]
    command += ["--rootdir", str(folder), "-c", str(REPOSITORY / "pyproject.toml"), *files]
    variant = {**os.environ, "RAIL_TEST_VARIANT": str(folder), **environment}
    done = subprocess.run(command, cwd=folder, env=variant, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
