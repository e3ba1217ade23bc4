"""`rail bench thresholds` sees one half of the rows, and its rule keeps the rates that it states."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ledger.index.calibration import POINTS
from tests.cli.conftest import Rail
from web.bench.matching.fit import TEXTS_MIN, Reached, least, points
from web.bench.matching.sets import Query, read_sets

WORDS = [f"{first}{second}{third}" for first in "bdfgkl" for second in "aeiou" for third in ("m", "rn", "st", "nd")]


def _row(number: int, rng: random.Random) -> dict[str, Any]:
    """An output, another answer that has most of its words in order, and a human text that has some."""
    output = rng.choices(WORDS, k=24)
    again = [word if rng.random() < 0.7 else rng.choice(WORDS) for word in output]
    human = [word if rng.random() < 0.3 else rng.choice(WORDS) for word in output]
    return {
        "id": number,
        "prompt": f"task {number}",
        "original": " ".join(output),
        "regen_1": " ".join(again),
        "human": " ".join(human),
    }


def _write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def _is_fitted(folder: Path, number: int) -> bool:
    return Query("", f"{folder.name}/pairs/{number}", None).fitted


def test_the_reported_half_is_not_looked_at(rail: Rail, tmp_path: Path) -> None:
    rng = random.Random(3)
    rows = [_row(number, rng) for number in range(240)]
    folder = _write(tmp_path / "sets", rows)
    found = rail("bench", "thresholds", "--data", folder, "--limit", 25, "--json")
    assert found.code == 0, found.err
    assert found.json["records"] == sum(_is_fitted(folder, number) for number in range(240)) < 140
    shortest, *longer = found.json["points"]
    assert shortest["edited"] > 200 and shortest["reworded"] > 0 and found.json["used"] is False
    assert all(point["edited"] == point["reworded"] == 0 for point in longer)  # no text is so long

    (tmp_path / "junk").mkdir()
    junk = [row if _is_fitted(folder, row["id"]) else {"id": row["id"], "original": "no " * 50} for row in rows]
    other = rail("bench", "thresholds", "--data", _write(tmp_path / "junk" / "sets", junk), "--limit", 25, "--json")
    assert (other.json["points"], other.json["rows"]) == (found.json["points"], found.json["rows"])


def test_halves_make_up_the_whole(tmp_path: Path) -> None:
    rng = random.Random(5)
    folder = _write(tmp_path / "sets", [_row(number, rng) for number in range(60)])
    whole, half = read_sets(folder), read_sets(folder, fitted_only=True)
    assert [query.text for query in whole.negatives["N4"] if query.fitted] == [q.text for q in half.negatives["N4"]]
    assert 0 < len(half.records) < len(whole.records)
    assert all(half.records[query.target or 0].output_text == query.text for query in half.edits["none"])


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_least_number_that_keeps_the_rate(rate: float) -> None:
    rng = random.Random(1)
    for count in range(1, 300, 7):
        values = [rng.randrange(30) for _ in range(count)]
        number = least(values, rate)
        assert sum(value >= number for value in values) <= rate * count < sum(value >= number - 1 for value in values)


def test_points_keep_to_the_strictest_class_and_to_greater_lengths() -> None:
    lengths = [point.words for point in POINTS]
    rows = [Reached(words, kind, TEXTS_MIN, 0.0, 101, None) for words in lengths for kind in ("N1", "N2")]
    rows += [Reached(words, "N3", TEXTS_MIN, 0.0, None, 500) for words in lengths[:2]]
    rows.append(Reached(lengths[2], "N5", TEXTS_MIN, 0.0, 222, None))
    rows.append(Reached(lengths[1], "N4", TEXTS_MIN, 0.0, None, 510))
    found = points(rows)
    assert [point.reworded for point in found] == [230, 230, 230, 110, 110, 110]
    assert [point.edited for point in found] == [510, 510, 0, 0, 0, 0]
    assert [(point.words, point.floor) for point in found] == [(point.words, point.floor) for point in POINTS]


def test_bad_folder_is_refused(rail: Rail, tmp_path: Path) -> None:
    done = rail("bench", "thresholds", "--data", tmp_path, "--json")
    assert (done.code, done.error) == (2, "bad_data")
