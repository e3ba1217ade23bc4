"""Whether two signed checkpoints are of one log that only grew; and the evidence if they are not."""

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from ledger.checkpoint import open_checkpoint
from ledger.errors import ProofInvalid
from ledger.keys import VerifyKey
from ledger.merkle import check_consistency, prove_consistency
from ledger.stored_hashes import HashReader
from web.audit.errors import LogBroken
from web.files import replace_file

PUBLISH_HINT = "keep the evidence and publish it: both notes carry the log's own signature"


def check_growth(old: bytes, new: bytes, key: VerifyKey, tiles: HashReader | None, evidence_folder: Path) -> None:
    """Return if the tree of `new` begins with that of `old`, which is not larger; both are notes by the log's key.

    `tiles` hold the tree of `new`, authenticated; None: sizes are equal, and only roots are compared. Raises LogBroken
    (`log_forked`) with both notes saved as evidence.
    """
    before, now = open_checkpoint(old, key), open_checkpoint(new, key)
    proof: list[bytes] = []
    try:
        if before.size != now.size:
            assert tiles is not None
            proof = prove_consistency(before.size, now.size, tiles)
        check_consistency(before.size, before.root, now.size, now.root, proof)
    except ProofInvalid as error:
        raise LogBroken(
            "log_forked",
            f"the log signed two histories: its {now.size} entries do not begin with the other {before.size}: {error}",
            PUBLISH_HINT,
            save_evidence(evidence_folder, old, new, proof),
        ) from error


def check_not_smaller(old: bytes, new: bytes, key: VerifyKey, evidence_folder: Path) -> None:
    """Raise LogBroken (`log_shrunk`) if `new` has fewer entries than `old`."""
    before, now = open_checkpoint(old, key), open_checkpoint(new, key)
    if now.size < before.size:
        raise LogBroken(
            "log_shrunk",
            f"the log showed {before.size} entries before and shows {now.size} now",
            "a cache may have served an old checkpoint: try once more; if it stays, the log hides entries",
            save_evidence(evidence_folder, old, new, []),
        )


def save_evidence(folder: Path, old: bytes, new: bytes, proof: Sequence[bytes]) -> Path:
    """Both signed notes and the proof that the tiles gave, in one file named by its content."""
    value = {
        "format": "rail-fork-evidence/1",
        "old": old.decode(),
        "new": new.decode(),
        "consistency_proof": [b64encode(item).decode() for item in proof],
    }
    data = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    path = folder / f"fork-{sha256(data).hexdigest()[:16]}.json"
    replace_file(path, data)
    return path
