"""Runs the unit tests of the page's modules (proof, note and statement checks) under Node, where Node is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ledger.keys import VerifyKey
from ledger.receipt import Receipt, check_receipt

FOLDER = Path(__file__).parent / "js"


def test_modules_pass_their_own_tests() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine: the browser tests still drive the same modules")
    run = subprocess.run(
        [node, "--test", str(FOLDER)], capture_output=True, text=True, timeout=120, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_receipt_that_they_are_tested_with_is_one_that_the_ledger_accepts() -> None:
    receipt = Receipt.from_json((FOLDER / "receipt.json").read_bytes())
    checked = check_receipt(receipt, VerifyKey.parse(receipt.log_vkey))
    assert (checked.index, checked.size) == (5, 7)
