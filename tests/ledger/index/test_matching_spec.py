"""The example and the numbers of ledger/index/SPEC.md are those of the code."""

import re
from pathlib import Path

from ledger.index import fingerprint_root, rules
from ledger.index.calibration import POINTS
from ledger.index.text import Text

SPEC = (Path(__file__).resolve().parents[3] / "ledger" / "index" / "SPEC.md").read_text(encoding="utf-8")


def test_example() -> None:
    block = re.findall(r"^```\n(.*?)^```$", SPEC, re.DOTALL | re.MULTILINE)[0]
    lines = dict(re.split(r" {2,}", line, maxsplit=1) for line in block.splitlines())
    text = Text(lines["text"])
    assert text.normal == lines["normal form"]
    assert re.split(" {2,}", lines["units"]) == [" ".join(text.units.words), "12 words, weight 60"]
    for number, (value, end) in enumerate(zip(text.shingles.hashes, text.shingles.ends, strict=True)):
        cells = re.split(" {2,}", lines[f"shingle {number}"])
        words = " ".join(text.units.words[number:end])
        assert cells == [words, f"{value % 2**64:016x}", "fingerprint"][: 3 if number in text.fingerprints else 2]
    assert f"shingle {len(text.shingles.hashes)}" not in lines
    assert lines["root"].split()[0] == fingerprint_root(text.original, bytes(range(32))).hex()


def test_numbers() -> None:
    assert f"# Matching a pasted text: `{rules.RULES}`" in SPEC
    for unit, weight in (("word", rules.WORD_WEIGHT), ("wide", rules.WIDE_WEIGHT), ("dense", rules.DENSE_WEIGHT)):
        assert re.search(rf"^\| {unit}.*\| {weight} \|.*\|$", SPEC, re.MULTILINE)
    limits = SPEC.partition("## 10.")[2].partition("## 11.")[0]
    for number in (
        rules.TEXT_BYTES_MAX,
        rules.CHECKED_WEIGHT_MAX // rules.WORD_WEIGHT,
        rules.POSTINGS_PER_HASH_MAX,
        rules.POSTINGS_MAX,
        rules.PLACES_PER_HASH_MAX,
        rules.CANDIDATES_MAX,
        rules.WORK_MAX,
        rules.EXACT_RECORDS_MAX,
    ):
        assert re.search(rf"\b{number:,}\b", limits), number
    for name, column in (("floor", 1), ("reworded", 2), ("edited", 3)):
        cells = " | ".join(str(point[column]) for point in POINTS)
        assert re.search(rf"^\| [^|]*`{name}`[^|]* \| {re.escape(cells)} \|$", SPEC, re.MULTILINE), name
    claims = SPEC.partition("## 8.")[2].partition("## 9.")[0]
    assert f"{rules.EXCERPT_WEIGHT // rules.WORD_WEIGHT} words" in claims
    assert f"{rules.NEARLY_ALL_PERMILLE} thousandths" in claims
    for weight, telling in rules.TELLING_RUNS:
        assert f"{weight // rules.WORD_WEIGHT} words whose terms weigh {telling:,}" in claims
    assert f"{rules.UNLIKE_PERMILLE} thousandths" in claims
    assert f"{rules.AROUND_UNITS_MAX} units" in claims
    assert rules.RUN_WEIGHT_MIN == 8 * rules.WORD_WEIGHT
