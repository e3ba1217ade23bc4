"""`rail bench matching` on a small folder of made-up sets."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from tests.cli.conftest import Rail

SHARED = Path(os.environ.get("RAIL_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "matching"


def _text(seed: int, count: int = 60) -> str:
    rng = random.Random(seed)
    return " ".join("".join(rng.choices("abcdefghijklmnop", k=rng.randint(3, 8))) for _ in range(count))


def _write(folder: Path) -> None:
    pairs = [
        {"id": f"p{i}", "original": _text(i), "swap": _text(i).replace("a", "e"), "regen_1": _text(100 + i), "n": 1}
        for i in range(12)
    ]
    pairs[0]["regen_2"] = pairs[1]["original"].upper()  # another record's output: no negative
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    human = [{"id": i, "human": _text(300 + i), "human_polished": _text(400 + i)} for i in range(8)]
    with gzip.open(folder / "human.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, human)))


def test_every_kind_has_its_row(rail: Rail, tmp_path: Path) -> None:
    _write(tmp_path)
    done = rail(
        "bench",
        "matching",
        "--data",
        tmp_path,
        "--words",
        "25",
        "--words",
        "0",
        "--only",
        "rail",
        "--plots",
        tmp_path / "plots",
        "--json",
    )
    assert done.code == 0, done.err
    assert done.json["records"] == 12 + 4
    rows = {(row["kind"], row["words"]): row for row in done.json["rows"]}
    assert {kind for kind, _ in rows} == {"none", "swap", "N1", "N4", "N5"}
    assert rows["none", None]["verdicts"]["exact"] == rows["none", 25]["verdicts"]["excerpt"] == 1
    assert rows["none", None]["at"]["N1"] == {"0.01": 1, "0.001": 1}
    assert rows["N1", None]["verdicts"]["none"] == 1
    assert all(row["kept"]["rail"] == 1 for row in done.json["disguises"]) and len(done.json["disguises"]) > 10
    assert [Path(path).name for path in done.json["plots"]] == [
        f"recall-rail-{name}.svg" for name in ("N1", "N4", "N5")
    ]
    assert done.json["left_out"] == {"N1": 0, "N2": 0, "N3": 0, "N4": 1, "N5": 0}
    assert all(sum(row["verdicts"].values()) > 0.999 for row in done.json["rows"] if row["texts"])
    assert "swap" in Path(done.json["plots"][0]).read_text()


def test_baseline_prints_tables(rail: Rail, tmp_path: Path) -> None:
    _write(tmp_path)
    done = rail("bench", "matching", "--data", tmp_path, "--only", "bm25", "--words", "0", "--limit", "9")
    assert done.code == 0, done.err
    assert "bm25, recall with the right record at 1 % / 0.1 % of N4" in done.out
    assert "1.000/1.000" in next(line for line in done.out.splitlines() if line.startswith("  none"))


@pytest.mark.parametrize(
    ("name", "content"), [("a.jsonl", b"[]"), ("a.jsonl", b"{"), ("a.jsonl.gz", b"no"), ("a.jsonl", b"{}"), ("a", b"")]
)
def test_bad_folder_is_refused(rail: Rail, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done = rail("bench", "matching", "--data", tmp_path, "--json")
    assert (done.code, done.error) == (2, "bad_data")


def test_shared_sets_are_read() -> None:
    from web.bench.matching.sets import read_sets

    if not SHARED.is_dir():
        pytest.skip(f"no evaluation sets at {SHARED} (set RAIL_SHARED_DATA)")
    sets = read_sets(SHARED)
    assert {"polish", "back_translation", "dipper", "dipper_essays", "paraphrase", "adv_radar"} <= sets.edits.keys()
    assert all(len(queries) >= 400 for queries in sets.negatives.values())
