"""Checks a receipt offline: signatures, proofs, openings, and on request the text and the run itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.errors import LedgerError
from ledger.keys import VerifyKey
from ledger.policy import Policy
from ledger.receipt import CheckedReceipt, Receipt, check_receipt
from ledger.statement import GenerationStatement
from web.cli.inputs import decode, read_file
from web.cli.output import CommandError, Exit, emit_json, fact, note, verdict_line
from web.cli.trust import known_logs, trusted_log_key
from web.policy_file import load_policy
from web.present import rfc3339

if TYPE_CHECKING:
    from inference.replay import ReplayResult
    from web.known_logs import KnownLogs

TEXT_BYTES_MAX = 4 << 20  # the largest output that a log keeps


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one question about the receipt."""

    word: str
    sentence: str
    exit_code: Exit
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checks:
    """What is asked of a receipt beyond its proof; None: not asked."""

    text: Path | None
    replay: dict[str, Any] | None  # options of the engine
    policy: Path | None
    url: str | None  # of the log, for its present history


def verify_receipt(data: bytes, log_key: str | None, home: str | None, checks: Checks, as_json: bool) -> int:
    """Check the receipt, then what else is asked. Raises CommandError (exit code 3) if it is refused."""
    policy = load_policy(checks.policy) if checks.policy is not None else None
    with refusals():
        receipt = Receipt.from_json(data)
    key, trust = trusted_log_key(log_key, home, policy, receipt.log_vkey)
    with refusals():
        checked = check_receipt(receipt, key, policy.witness_keys if policy is not None else ())
    known = known_logs(home)
    known.compare(key, receipt.proof.checkpoint)
    outcomes = {"proof": _proof(checked)}
    if policy is not None:
        outcomes["witnesses"] = _witnesses(checked, policy)
    if checks.url is not None:
        outcomes["history"] = _history(receipt, key, checks.url, known)
    if checks.text is not None:
        outcomes["text"] = _compare(checked, checks.text)
    if checks.replay is not None:
        outcomes["replay"] = _replay(checked, checks.replay)
    worst = Exit.worst(outcome.exit_code for outcome in outcomes.values())
    if as_json:
        emit_json(_to_json(checked, key, trust, outcomes, worst))
    else:
        _print_facts(checked, trust)
        for outcome in outcomes.values():
            verdict_line(outcome.word, outcome.sentence, outcome.exit_code)
    return worst


@contextmanager
def refusals() -> Iterator[None]:
    """Any fault of the receipt itself is exit code 3."""
    try:
        yield
    except LedgerError as error:
        raise CommandError(
            error.code,
            f"the receipt is refused: {error}",
            "a receipt proves nothing once any part of it has changed; fetch it again from the log",
            Exit.PROOF_FAILED,
        ) from error


def _proof(checked: CheckedReceipt) -> Outcome:
    sentence = f"entry {checked.index} is in the log {checked.origin}, signed by {checked.operator.name!r}, unchanged"
    return Outcome("proof holds", sentence, Exit.OK, {"verdict": "match"})


def _witnesses(checked: CheckedReceipt, policy: Policy) -> Outcome:
    """Whether the policy's quorum cosigned the receipt's checkpoint. Without it the policy calls it not valid."""
    names = [item.key.name for item in checked.cosignatures]
    met = policy.is_met([item.key for item in checked.cosignatures])
    times = [item.time for item in checked.cosignatures if item.time]
    detail = {"verdict": "match" if met else "proof_failed", "quorum": policy.describe(), "witnesses": names}
    seen = f", first {rfc3339(min(times))}" if times else ""
    sentence = f"{policy.describe()}; cosigned by {', '.join(names) or 'none of them'}{seen}"
    if met:
        return Outcome("witnessed", sentence, Exit.OK, detail)
    return Outcome("not witnessed", f"{sentence}; try `rail receipt upgrade`", Exit.PROOF_FAILED, detail)


def _history(receipt: Receipt, key: VerifyKey, url: str, known: "KnownLogs") -> Outcome:
    """Whether the log's present checkpoint, the one seen last and the receipt's are of one history."""
    from web.audit.source import TileSource
    from web.client import RailClient

    with RailClient(url) as client:
        followed = known.follow(client, key, note)
        known.check_note(receipt.proof.checkpoint, followed.view, TileSource(client))
    size = followed.view.checkpoint.size
    detail = {"verdict": "match", "size": size, "seen_before": followed.previous_size}
    sentence = f"the log at {url}, with {size} entries, and this receipt have one history"
    return Outcome("one history", sentence, Exit.OK, detail)


def _compare(checked: CheckedReceipt, path: Path) -> Outcome:
    """The text in the file against the output that the commitment opens to."""
    if checked.opened is None or checked.opened.output is None:
        return Outcome(
            "text not checked",
            "this receipt does not carry the output, so no text can be compared with it",
            Exit.UNCHECKED,
            {"verdict": "unchecked", "reason": "no_opening"},
        )
    from ledger.index.normalise import normalise

    data, output = read_file(path, TEXT_BYTES_MAX), checked.opened.output.bytes
    if data == output:
        return Outcome(
            "text matches", f"{path} is the output, byte for byte", Exit.OK, {"verdict": "exact", "layer": "raw"}
        )
    given, logged = decode(data, str(path)), output.decode("utf-8", errors="replace")
    if normalise(given) == normalise(logged):
        sentence = f"{path} is the output, apart from spacing, quotes and invisible characters"
        return Outcome("text matches", sentence, Exit.OK, {"verdict": "exact", "layer": "normalised"})
    sentence = f"{path} is not the output of this run; for parts of a text use `rail verify {path}`"
    return Outcome("text differs", sentence, Exit.NO_MATCH, {"verdict": "none"})


def _replay(checked: CheckedReceipt, options: dict[str, Any]) -> Outcome:
    """One teacher-forced pass on this machine."""
    from inference.engine import Engine
    from inference.modelfile import ModelFile
    from web.cli.options import settings_from
    from web.opened import opened_transcript

    transcript = opened_transcript(checked)
    if transcript is None:
        return _not_replayed(
            "no_opening", "this receipt does not carry prompt and output, so the run cannot be repeated"
        )
    settings = settings_from(**options)
    with ModelFile.open(settings.model) as model:
        if model.root != transcript.model_root:
            sentence = f"the run was made by model {transcript.model_root.hex()}, but {settings.model} is another one"
            return _not_replayed("other_model", sentence)
        engine = Engine(model, threads=settings.threads, kernels=settings.kernels)
        started = time.monotonic()
        result: ReplayResult = engine.replay(transcript)
        seconds = time.monotonic() - started
        detail = {
            "verdict": result.verdict,
            "tokens": result.tokens,
            "first_difference": result.first_difference,
            "reason": result.reason,
            "kernels": engine.kernels,
            "threads": engine.threads,
            "seconds": round(seconds, 3),
        }
    how = f"{engine.kernels} kernels, {engine.threads} thread{'s' if engine.threads > 1 else ''}, {seconds:.2f} s"
    if result.verdict == "match":
        return Outcome("replay matches", f"{result.tokens} tokens, the same bits ({how})", Exit.OK, detail)
    place = "after the last token" if result.first_difference is None else f"at output token {result.first_difference}"
    return Outcome("replay differs", f"first difference {place}: {result.reason} ({how})", Exit.NO_MATCH, detail)


def _not_replayed(reason: str, sentence: str) -> Outcome:
    return Outcome("not replayed", sentence, Exit.UNCHECKED, {"verdict": "unchecked", "reason": reason})


def _to_json(
    checked: CheckedReceipt, key: VerifyKey, trust: str, outcomes: dict[str, Outcome], worst: Exit
) -> dict[str, Any]:
    from web.present import statement_json

    words = {Exit.OK: "match", Exit.NO_MATCH: "no_match", Exit.PROOF_FAILED: "proof_failed"}
    verdict = words.get(worst, "unchecked")
    return {
        "verdict": verdict,
        "record_id": checked.index,
        "leaf_hash": checked.leaf_hash.hex(),
        "time": rfc3339(checked.statement.payload.time),
        "operator": {"id": checked.statement.operator.hex(), "name": checked.operator.name},
        "statement": statement_json(checked.statement.payload),
        "log": {"origin": checked.origin, "size": checked.size, "vkey": key.vkey, "trusted_because": trust},
        **{name: outcome.detail for name, outcome in outcomes.items()},
    }


def _print_facts(checked: CheckedReceipt, trust: str) -> None:
    from web.assurance import assurance_words

    payload = checked.statement.payload
    fact("record", f"{checked.index} of {checked.size} in {checked.origin} (key {trust})")
    fact("leaf hash", checked.leaf_hash.hex())
    fact("operator", f"{checked.operator.name} ({checked.statement.operator.hex()[:16]}…)")
    fact("time", f"{rfc3339(payload.time)}, stated by the operator")
    if isinstance(payload, GenerationStatement):
        fact("model root", payload.model_root.hex())
        fact("assurance", assurance_words(payload.assurance, payload.engine, None))
        fact("run", f"{payload.prompt_tokens} + {payload.output_tokens} tokens, seed {payload.sampling.seed}")
    if checked.opened is not None and checked.opened.output is not None:
        text = " ".join(checked.opened.output.bytes.decode("utf-8", errors="replace").split())
        fact("output", text if len(text) <= 72 else text[:72] + "…")
