"""The demo's second half: what the holder of a receipt can do without the log, as separate `rail` processes."""

import json
import os
import string
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import native
from web.cli.demo_steps import Steps
from web.cli.output import Exit
from web.generation import LoggedRun
from web.settings import Settings

COMMAND_SECONDS = 120  # for one process
BASE64 = (string.ascii_letters + string.digits + "+/").encode()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the second half knows of the first."""

    receipt: Path
    vkey: str
    settings: Settings
    kernels: str  # kernel set that generated
    threads: int  # and its threads


def check(steps: Steps, facts: Facts, run: LoggedRun) -> None:
    """The receipt proves record and text with nothing but the log's key."""
    text = facts.settings.home / "story.txt"
    text.write_bytes(run.transcript.output_bytes)
    with steps.step("Check the receipt offline: no server, no database, only the log's key"):
        code, answer = _verify(steps, facts, facts.receipt, "--text", str(text))
        steps.claim(code == Exit.OK, f"exit code {code}: {_reason(answer)}")
        steps.claim(answer["leaf_hash"] == run.entry.leaf_hash.hex(), "the receipt is of another entry")
        steps.claim(answer["text"]["layer"] == "raw", "the text is not the committed one, byte for byte")
        steps.show("proof", f"entry {answer['record_id']} of {answer['log']['size']}, signatures and text hold")


def replay(steps: Steps, facts: Facts, run: LoggedRun) -> None:
    """Another process, other kernels, another number of threads: the same bits."""
    others = [name for name in native.backends() if name != facts.kernels]
    kernels = others[0] if others else facts.kernels
    threads = 1 if facts.threads > 1 else 2
    with steps.step("Run it again in a separate process, with other kernels and another thread count"):
        if not others:
            steps.show("note", f"this processor has {facts.kernels} kernels only, so only the thread count differs")
        code, answer = _verify(steps, facts, facts.receipt, "--replay", "--kernels", kernels, "--threads", str(threads))
        steps.claim(code == Exit.OK, f"exit code {code}: {_reason(answer)}")
        result = answer["replay"]
        steps.claim(result["tokens"] == len(run.transcript.output_ids), f"only {result['tokens']} tokens agree")
        steps.claim(
            (result["kernels"], result["threads"]) == (kernels, threads), "another engine than asked for was used"
        )
        here = f"{facts.kernels}, {facts.threads} threads" if facts.threads > 1 else f"{facts.kernels}, 1 thread"
        there = f"{kernels}, {threads} threads" if threads > 1 else f"{kernels}, 1 thread"
        steps.show("generated", here)
        steps.show("replayed", f"{there}: {result['tokens']} tokens, the same bits, {result['seconds']:.2f} s")


def tamper(steps: Steps, facts: Facts) -> None:
    """One flipped bit in the middle of the signed statement, and the receipt is refused.

    It is a bit that leaves a base64 letter, so that not the form of the receipt but its proof refuses it.
    """
    data = bytearray(facts.receipt.read_bytes())
    start = data.index(b'"statement"') + 100
    place = next(place for place in range(start, len(data)) if data[place] ^ 1 in BASE64)
    data[place] ^= 1
    altered = facts.receipt.with_suffix(".altered.json")
    altered.write_bytes(data)
    with steps.step("Flip one byte of the receipt"):
        steps.show("byte", f"number {place} of {len(data)}")
        code, answer = _verify(steps, facts, altered)
        steps.claim(code == Exit.PROOF_FAILED, f"exit code {code} instead of {int(Exit.PROOF_FAILED)}")
        steps.show("refused", f"[{answer['error']['code']}] {answer['error']['message']}")
        steps.show("exit code", code)


def _verify(steps: Steps, facts: Facts, receipt: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """`rail verify RECEIPT --json` as a process of its own, with an empty home: exit code and answer."""
    shown = " ".join(Path(option).name for option in options)
    steps.show("command", f"rail verify {receipt.name} --log-key … {shown}".rstrip())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAIL_")}
    environment |= {"RAIL_HOME": str(facts.settings.home / "nobody"), "RAIL_MODEL": str(facts.settings.model)}
    command = [sys.executable, "-m", "web.cli", "verify", str(receipt), "--log-key", facts.vkey, "--json", *options]
    finished = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
    )
    try:
        answer = json.loads(finished.stdout)
    except ValueError:
        answer = {"error": {"code": "no_answer", "message": finished.stderr.decode(errors="replace")[-500:]}}
    return finished.returncode, answer


def _engine(kernels: str, threads: int) -> str:
    return f"{kernels}, {threads} thread{'s' if threads > 1 else ''}"


def _reason(answer: dict[str, Any]) -> str:
    return str(answer.get("error", {}).get("message") or answer.get("verdict"))
