"""Inputs that fuzzing found, a line of base64 each in corpora/TARGET.txt. Tests run them, atheris goes on from them.

python tests/fuzz/corpora.py      takes up what `atheris_driver.py` has found since, in var/fuzz
"""

import sys
from base64 import b64decode, b64encode
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE / "corpora"
FOUND = HERE.parents[1] / "var" / "fuzz"
BYTES_MAX = 2_048  # of an input that is kept: what a larger one shows, a smaller one nearly always does too


def kept(target: str) -> list[bytes]:
    path = KEPT / f"{target}.txt"
    return [b64decode(line) for line in path.read_text(encoding="ascii").splitlines()] if path.exists() else []


def main() -> None:
    for folder in sorted(FOUND.iterdir()):
        found = {data for path in folder.iterdir() if len(data := path.read_bytes()) <= BYTES_MAX}
        lines = sorted(b64encode(data).decode("ascii") for data in found.union(kept(folder.name)))
        (KEPT / f"{folder.name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        print(f"{folder.name}: {len(lines)} inputs", file=sys.stderr)


if __name__ == "__main__":
    main()
