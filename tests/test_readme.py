"""The README stays true: its commands run, and its demo output is what the demo prints, story and all.

`python -m tests.test_readme` puts the output of a fresh demo into the README.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
README = REPOSITORY / "README.md"
DEMO = re.compile(r"```text\n(RAIL: did this text.*?)\n```", re.S)

MASKS = [
    (r"\d+\.\d+ s\b", "TIME"),
    (r"/\S*rail-demo-\w+", "HOME"),
    (r"rail\.local/[0-9a-f]{8}(\+[0-9a-f]{8}\+\S+)?", "LOG"),
    (r"leaf hash   [0-9a-f]{64}", "LEAF"),
    (r"2-[0-9a-f]{16}", "RECEIPT"),
    (r"byte        number \d+ of \d+", "BYTE"),
    (r"\b(portable|avx2|avx512|avx512vnni|amx|neon)\b", "KERNELS"),
    (r"\b\d+ threads?\b|--threads \d+", "THREADS"),
]


def run_rail(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    """`rail` with its own home and current folder."""
    env = {**os.environ, "RAIL_HOME": str(folder / "home"), "PYTHONPATH": str(REPOSITORY), "TMPDIR": "/tmp"}
    command = [sys.executable, "-m", "web.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def masked(text: str) -> list[str]:
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    return text.split("\n")


def test_demo_output_is_what_the_demo_prints(tmp_path):
    done = run_rail(["demo"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert masked(DEMO.search(README.read_text()).group(1)) == masked(done.stdout.rstrip())


def test_shell_commands_run_in_order(tmp_path):
    block = re.search(r"```sh\n(.*?)```", README.read_text(), re.S).group(1)
    commands = re.findall(r"^\.venv/bin/rail (.*?)(?: +#.*)?$", block, re.M)
    assert len(commands) == block.count("\n")
    for command in commands:
        done = run_rail(shlex.split(command), tmp_path)
        assert done.returncode == 0, f"rail {command}\n{done.stdout}{done.stderr}"
        if command.startswith("generate"):
            (tmp_path / "story.txt").write_text(done.stdout)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", README.read_text()))))
def test_make_targets_exist(target):
    done = subprocess.run(["make", "--dry-run", target], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_that_it_links_exist():
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text()):
        assert (REPOSITORY / link).exists(), link


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        output = run_rail(["demo"], Path(folder)).stdout.rstrip()
    README.write_text(DEMO.sub(lambda _: f"```text\n{output}\n```", README.read_text()))
