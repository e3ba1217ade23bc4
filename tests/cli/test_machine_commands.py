"""`rail doctor` and `rail bench`: what they say about this machine, and that a fault has an exit code."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pytest import MonkeyPatch

import native
from tests.cli.conftest import Machine, Rail, Story


def test_a_machine_in_order_is_fit(rail: Rail, story: Story) -> None:
    done = rail("doctor", "--home", story.home, "--json")
    assert done.code == 0, done.out
    checks = {check["name"]: check for check in done.json["checks"]}
    assert {"version", "processor", "kernels", "model", "home", "key", "log"} <= set(checks)
    assert "portable" in checks["kernels"]["detail"]
    assert "3 entries" in checks["log"]["detail"]


def test_a_key_that_others_may_read_is_a_fault_with_its_remedy(here: Rail, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert here("generate", "x", "--max-tokens", "1", "--home", home).code == 0
    (home / "keys" / "log.key").chmod(0o644)
    done = here("doctor", "--home", home)
    assert done.code == 2
    assert f"chmod 600 {home}/keys/log.key" in done.out


def test_doctor_changes_nothing(here: Rail, tmp_path: Path) -> None:
    assert here("doctor", "--home", tmp_path / "none").code == 0
    assert not (tmp_path / "none").exists()


def test_all_ways_to_run_a_model_give_the_same_bits(rail: Rail, tmp_path: Path) -> None:
    done = rail("doctor", "--bits", "--home", tmp_path / "none", "--json")
    assert done.code == 0, done.out
    ways = done.json["bits"]["ways"]
    assert {way["kernels"] for way in ways} == set(native.backends())
    assert {way["threads"] for way in ways} == {1, 2, 3, 7}
    assert all(way["same"] for way in ways)
    (bits,) = [check for check in done.json["checks"] if check["name"] == "bits"]
    assert bits["detail"].startswith(f"{len(ways)} ways, runs of up to 256 tokens: all ")


def test_one_wrong_bit_is_a_fault_that_names_its_way(here: Rail, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    forward = native.Session.forward

    def wrong(self: native.Session, ids: Sequence[int], all_logits: bool = False) -> NDArray[np.int32]:
        logits = forward(self, ids, all_logits)
        if (self.model.kernels, self.model.threads, len(ids)) == (native.backends()[-1], 3, 64):
            logits[5, 9] ^= 1
        return logits

    monkeypatch.setattr(native.Session, "forward", wrong)
    done = here("doctor", "--bits", "--home", tmp_path / "none")
    assert done.code == 1
    assert f"read in chunks of 1 with {native.backends()[-1]} kernels and 3 threads: other bits" in done.out
    (line,) = [line for line in done.out.splitlines() if "chunks of 64" in line]
    assert line.endswith(" 1 2 3✗ 7")
    (line,) = [line for line in done.out.splitlines() if "chunks of 512" in line]
    assert "✗" not in line


def test_the_benchmark_names_machine_version_and_command(rail: Rail, machine: Machine) -> None:
    done = rail("bench", "engine", "--tokens", "16", "--kernels", "portable", "--json")
    assert done.code == 0, done.err
    assert done.json["command"] == "rail bench engine --tokens 16 --kernels portable --json"
    assert done.json["machine"]["processor"]
    assert [(row["kernels"], row["threads"]) for row in done.json["rows"]] == [("portable", 1), ("portable", 2)]
    assert all(min(row["prefill"], row["decode"], row["replay"]) > 0 for row in done.json["rows"])
