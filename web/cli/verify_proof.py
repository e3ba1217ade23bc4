"""Checks a C2SP tlog-proof offline: that some file is an entry of a log, and that enough witnesses saw it."""

from pathlib import Path

from ledger.cose_receipt import detach
from ledger.errors import ParseError
from ledger.merkle import leaf_hash
from ledger.proof import HEADER, check_tlog_proof, parse_tlog_proof
from ledger.tiles import ENTRY_BYTES_MAX
from web.cli.inputs import read_file
from web.cli.output import CommandError, Exit, emit_json, fact, verdict_line
from web.cli.trust import known_logs, trusted_log_key
from web.cli.verify_receipt import refusals
from web.policy_file import load_policy

ENTRY_FILE_BYTES_MAX = 4 * ENTRY_BYTES_MAX  # an entry with receipts around it


def looks_like_proof(data: bytes) -> bool:
    return data.startswith(HEADER.encode() + b"\n")


def verify_proof(
    data: bytes, entry: Path | None, log_key: str | None, policy: Path | None, home: str | None, as_json: bool
) -> int:
    """Check proof, checkpoint and, with a policy, the quorum. CommandError with exit code 3 if one does not hold."""
    if entry is None:
        raise entry_needed("tlog-proof")
    rules = load_policy(policy) if policy is not None else None
    content = read_entry(entry)
    key, trust = trusted_log_key(log_key, home, rules)
    with refusals():
        proof = parse_tlog_proof(data)
        opened = check_tlog_proof(proof, leaf_hash(content), key, rules.witness_keys if rules is not None else ())
    known_logs(home).compare(key, proof.checkpoint)
    witnesses = [item.key.name for item in opened.cosignatures]
    met = rules is None or rules.is_met([item.key for item in opened.cosignatures])
    exit_code = Exit.OK if met else Exit.PROOF_FAILED
    size, origin = opened.checkpoint.size, opened.checkpoint.origin
    if as_json:
        emit_json(
            {
                "verdict": "match" if met else "proof_failed",
                "record_id": proof.index,
                "leaf_hash": leaf_hash(content).hex(),
                "log": {"origin": origin, "size": size, "vkey": key.vkey, "trusted_because": trust},
                "witnesses": witnesses,
                "quorum": rules.describe() if rules is not None else None,
            }
        )
        return exit_code
    fact("entry", f"{proof.index} of {size} in {origin} (key {trust})")
    fact("leaf hash", leaf_hash(content).hex())
    if rules is not None:
        fact("witnesses", f"{rules.describe()}; cosigned by {', '.join(witnesses) or 'none of them'}")
    if met:
        verdict_line("proof holds", f"{entry} is entry {proof.index} of the log {origin}", exit_code)
    else:
        verdict_line("not witnessed", f"too few witnesses cosigned size {size} of {origin}", exit_code)
    return exit_code


def entry_needed(what: str) -> CommandError:
    return CommandError(
        "entry_needed", f"a {what} does not hold the entry that it is about", "name the entry's file with --entry"
    )


def read_entry(path: Path) -> bytes:
    """The log entry: of a transparent statement the part that was logged, of any other file all of it."""
    data = read_file(path, ENTRY_FILE_BYTES_MAX)
    try:
        return detach(data)[0]
    except ParseError:
        return data
