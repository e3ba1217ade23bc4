"""`rail bench engine --peer`, with a stand-in for the peer."""

import importlib.util
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Rail

PEER = """#!{python}
import json, sys
for line in sys.stdin:
    work = json.loads(line)["work"]
    answer = {{"load": {{"seconds": 0.5, "version": "9.9"}}, "run": {{"seconds": 0.25}}, "memory": {{"bytes": 10**7}}}}
    print(json.dumps(answer.get(work, {{"error": "no torch", "missing": "torch"}})), flush=True)
"""


def test_the_command_compares_work_by_work(rail: Rail, tmp_path: Path) -> None:
    peer = tmp_path / "python"
    peer.write_text(PEER.format(python=sys.executable))
    peer.chmod(0o755)
    command = ["bench", "engine", "--peer", "--peer-python", peer, "--shape", "tiny", "--folder", tmp_path]
    done = rail(*command, "--threads", "1", "--rounds", "1", "--json")
    assert done.code == 0, done.err
    assert done.json["peer"] == "llama-cpp-python 9.9"
    rows = {(row["work"], row["of"]): row for row in done.json["rows"]}
    assert rows["prefill 512, 8 bits", "Q8_0"]["against"] == 512 / 0.25
    assert rows["decode 128, 4 bits", "Q4_0"]["against"] == 128 / 0.25
    assert rows["memory, 4 bits", "Q4_0"]["against"] == 10
    assert rows["load a verified file, 8 bits", "limit"]["met"] is True
    assert not any("products" in work for work, _ in rows)
    assert "decode 128, 4 bits" in rail(*command, "--threads", "1", "--rounds", "1").out


def test_a_peer_that_is_missing_is_an_error_with_a_hint(rail: Rail, tmp_path: Path) -> None:
    if importlib.util.find_spec("llama_cpp"):
        pytest.skip("llama_cpp is installed here")
    done = rail("bench", "engine", "--peer", "--shape", "tiny", "--folder", tmp_path, "--json")
    assert done.code == 2
    assert done.error == "peer_missing"
    assert "--peer-python" in done.err
