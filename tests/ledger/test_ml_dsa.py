"""ML-DSA-44 lines of logs and witnesses, checked by another implementation, and altered in every part."""

from pathlib import Path

import pytest
from ledger_samples import LOG_KEY, ORIGIN, head_of, tree_of
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import Checkpoint as ScalesCheckpoint

from ledger import checkpoint, ml_dsa
from ledger.checkpoint import open_checkpoint, open_witnessed, parse_checkpoint
from ledger.cosignature import cosigned_message
from ledger.errors import ParseError, SignatureInvalid
from ledger.keys import ML_DSA_44, SigningKey, VerifyKey
from ledger.log import Log
from ledger.policy import open_by_policy, parse_policy

pytestmark = pytest.mark.skipif(not ml_dsa.available(), reason="this installation of cryptography has no ML-DSA-44")

if ml_dsa.available():
    LOG_PQ = SigningKey.from_seed(ORIGIN, b"p" * 32, ML_DSA_44)
    WITNESS_PQ = SigningKey.from_seed("w2.example/witness", b"q" * 32, ML_DSA_44)
HEAD = head_of(tree_of([b"entry 0", b"entry 1"]))
TIME = 1_700_000_000


def test_lines_verify_by_both_keys() -> None:
    note = checkpoint.cosign(checkpoint.sign(HEAD, [LOG_KEY, LOG_PQ]), WITNESS_PQ, TIME)
    assert open_checkpoint(note, LOG_KEY.verify_key) == HEAD
    assert open_checkpoint(note, LOG_PQ.verify_key) == HEAD
    opened = open_witnessed(note, LOG_KEY.verify_key, [LOG_PQ.verify_key, WITNESS_PQ.verify_key])
    assert [(item.key.name, item.time) for item in opened.cosignatures] == [(ORIGIN, 0), (WITNESS_PQ.name, TIME)]


def test_an_independent_implementation_verifies_both_lines() -> None:
    note = checkpoint.cosign(checkpoint.sign(HEAD, [LOG_KEY, LOG_PQ]), WITNESS_PQ, TIME)
    theirs = ScalesCheckpoint.from_text(note.decode())
    keys = [Vkey.from_string(key.vkey) for key in (LOG_KEY, LOG_PQ, WITNESS_PQ)]
    assert len(VkeySet(*keys).verify(theirs.signatures, theirs)) == 3


def test_the_message_is_the_structure_of_the_specification() -> None:
    message = cosigned_message(ML_DSA_44, "w", 5, HEAD.text())
    name = bytes([len(ORIGIN)]) + ORIGIN.encode()
    assert message == b"subtree/v1\n\0\x01w" + bytes(7) + b"\x05" + name + bytes(15) + b"\x02" + HEAD.root


@pytest.mark.parametrize("place", [0, 5, 12, 100, 2431])
def test_a_flipped_bit_refuses_the_note(place: int) -> None:
    _, note = parse_checkpoint(checkpoint.sign(HEAD, [LOG_KEY, LOG_PQ]))
    first, line = note.signatures
    blob = bytearray(line.blob)
    blob[place % len(blob)] ^= 1
    altered = type(note)(note.text, (first, type(line)(line.name, line.key_id, bytes(blob)))).format()
    with pytest.raises(SignatureInvalid):
        open_checkpoint(altered, LOG_PQ.verify_key)


def test_the_name_of_the_cosigner_is_signed() -> None:
    renamed = SigningKey.from_seed("w3.example/witness", b"q" * 32, ML_DSA_44)
    line = parse_checkpoint(checkpoint.cosign(checkpoint.sign(HEAD, [LOG_KEY]), WITNESS_PQ, TIME))[1].signatures[1]
    note = parse_checkpoint(checkpoint.sign(HEAD, [LOG_KEY]))[1]
    moved = type(note)(note.text, (*note.signatures, type(line)(renamed.name, renamed.key_id, line.blob))).format()
    with pytest.raises(SignatureInvalid):
        open_witnessed(moved, LOG_KEY.verify_key, [renamed.verify_key])


def test_keys_have_text_forms_and_files(tmp_path: Path) -> None:
    assert VerifyKey.parse(WITNESS_PQ.vkey) == WITNESS_PQ.verify_key
    WITNESS_PQ.save(tmp_path / "key")
    assert SigningKey.load(tmp_path / "key") == WITNESS_PQ
    with pytest.raises(ParseError) as caught:
        VerifyKey("w", bytes(1311), ML_DSA_44)
    assert caught.value.code == "vkey_public"


def test_a_policy_may_require_a_post_quantum_witness() -> None:
    policy = parse_policy(f"log {LOG_KEY.vkey}\nwitness w {WITNESS_PQ.vkey}\nquorum w\n".encode())
    assert open_by_policy(checkpoint.cosign(checkpoint.sign(HEAD, [LOG_KEY]), WITNESS_PQ, TIME), policy)


def test_a_log_opened_with_a_second_key_signs_with_both(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with Log.create(url, ORIGIN, LOG_KEY, [LOG_PQ]) as log:
        assert open_checkpoint(log.checkpoint(), LOG_PQ.verify_key).size == 0
        assert log.fsck().ok
    stranger = SigningKey.from_seed("other.example", b"p" * 32, ML_DSA_44)
    with pytest.raises(ParseError):
        Log.create(f"sqlite:///{tmp_path / 'other.db'}", ORIGIN, LOG_KEY, [stranger])
