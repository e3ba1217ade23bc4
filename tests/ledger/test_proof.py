"""C2SP tlog-proof files: format, strictness, and what they prove."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import LOG_KEY, ORIGIN, OTHER_KEY, WITNESS_KEY, head_of, tree_of

from ledger import checkpoint
from ledger.encoding import format_base64
from ledger.errors import LedgerError, ParseError, ProofInvalid, SignatureInvalid
from ledger.merkle import leaf_hash, prove_inclusion
from ledger.proof import PROOF_BYTES_MAX, TlogProof, check_tlog_proof, parse_tlog_proof

ENTRIES = [b"entry %d" % i for i in range(3)]
TREE = tree_of(ENTRIES)
NOTE = checkpoint.sign(head_of(TREE), [LOG_KEY])
LOG = LOG_KEY.verify_key

FILE = """c2sp.org/tlog-proof@v1
index 1
dziFphNIniTOLPdhmdakI/BC5LvxLX7s7pEu8nbGVwE=
V8efTzGuApxdS9MLBzwnyU35NDiytGl+Hh7vW8A5SkE=

rail.example/log1
3
lPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk=

— rail.example/log1 f9e8cDoh/PsMgZBGwoLyR2WWFu+X4vPdYAuvCWrTAvU1IqL0LNKP2lDnkHVhBne+8KXXMWRRG8KBU/fPEKf08bu7Zgo=
""".encode()


def proof_of(index: int, extra: bytes | None = None, note: bytes = NOTE) -> TlogProof:
    return TlogProof(index, tuple(prove_inclusion(index, 3, TREE)), note, extra)


def test_file_of_the_second_of_three_entries() -> None:
    proof = proof_of(1)
    assert proof.hashes == (leaf_hash(ENTRIES[0]), leaf_hash(ENTRIES[2]))
    assert proof.format() == FILE
    assert parse_tlog_proof(FILE) == proof
    assert check_tlog_proof(proof, leaf_hash(ENTRIES[1]), LOG).checkpoint == head_of(TREE)


def test_extra_line_is_kept_and_not_authenticated() -> None:
    proof = proof_of(0, extra=b"rail-receipt/1")
    lines = proof.format().split(b"\n")
    assert lines[:3] == [b"c2sp.org/tlog-proof@v1", b"extra cmFpbC1yZWNlaXB0LzE=", b"index 0"]
    assert parse_tlog_proof(proof.format()) == proof
    check_tlog_proof(proof, leaf_hash(ENTRIES[0]), LOG)


def test_proof_in_a_log_of_one_entry_has_no_hashes() -> None:
    tree = tree_of(ENTRIES[:1])
    proof = TlogProof(0, (), checkpoint.sign(head_of(tree), [LOG_KEY]))
    assert proof.format().startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + ORIGIN.encode())
    assert parse_tlog_proof(proof.format()) == proof
    check_tlog_proof(proof, leaf_hash(ENTRIES[0]), LOG)


def test_cosignatures_are_reported() -> None:
    proof = proof_of(2, note=checkpoint.cosign(NOTE, WITNESS_KEY, 1_700_000_000))
    opened = check_tlog_proof(proof, leaf_hash(ENTRIES[2]), LOG, [WITNESS_KEY.verify_key])
    assert [item.key.name for item in opened.cosignatures] == ["w1.example/witness"]


def test_proof_of_something_else_is_rejected() -> None:
    proof = proof_of(1)
    leaf = leaf_hash(ENTRIES[1])
    with pytest.raises(ProofInvalid) as caught:
        check_tlog_proof(proof, leaf_hash(b"another"), LOG)
    assert caught.value.code == "inclusion_root"
    with pytest.raises(ProofInvalid):
        check_tlog_proof(TlogProof(0, proof.hashes, NOTE), leaf, LOG)
    with pytest.raises(ProofInvalid) as caught:
        check_tlog_proof(TlogProof(3, proof.hashes, NOTE), leaf, LOG)
    assert caught.value.code == "inclusion_index"
    with pytest.raises(ProofInvalid) as caught:
        check_tlog_proof(TlogProof(1, proof.hashes[:1], NOTE), leaf, LOG)
    assert caught.value.code == "inclusion_length"
    with pytest.raises(SignatureInvalid) as signature:
        check_tlog_proof(proof, leaf, OTHER_KEY.verify_key, origin=ORIGIN)
    assert signature.value.code == "checkpoint_unsigned"


def test_every_altered_bit_is_rejected() -> None:
    data, leaf = proof_of(1).format(), leaf_hash(ENTRIES[1])
    for position in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[position] ^= 1 << bit
            with pytest.raises((ParseError, ProofInvalid, SignatureInvalid)):
                check_tlog_proof(parse_tlog_proof(bytes(altered)), leaf, LOG)


HASH = format_base64(bytes(32)).encode()
HEAD = b"c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "proof_structure"),
        (HEAD, "proof_structure"),
        (HEAD + b"index 0\n" + NOTE.replace(b"\n\n", b"\n"), "proof_structure"),
        (b"c2sp.org/tlog-proof@v2\nindex 0\n\n" + NOTE, "proof_header"),
        (b"\n\n" + NOTE, "proof_header"),
        (HEAD + b"\n" + NOTE, "proof_index"),
        (HEAD + HASH + b"\n\n" + NOTE, "proof_index"),
        (HEAD + b"index 0\nindex 0\n\n" + NOTE, "proof_hashes"),
        (HEAD + b"index 00\n\n" + NOTE, "proof_index"),
        (HEAD + b"index -1\n\n" + NOTE, "proof_index"),
        (HEAD + b"index \n\n" + NOTE, "proof_index"),
        (HEAD + b"index  0\n\n" + NOTE, "proof_index"),
        (HEAD + b"index 0 \n\n" + NOTE, "proof_index"),
        (HEAD + b"index 9223372036854775808\n\n" + NOTE, "proof_index"),
        (HEAD + b"index 0\nextra AAAA\n\n" + NOTE, "proof_hashes"),
        (HEAD + b"extra AAAA\nextra AAAA\nindex 0\n\n" + NOTE, "proof_index"),
        (HEAD + b"extra A\nindex 0\n\n" + NOTE, "proof_extra"),
        (HEAD + b"extra AAB=\nindex 0\n\n" + NOTE, "proof_extra"),
        (HEAD + b"extra" + b"\nindex 0\n\n" + NOTE, "proof_index"),
        (HEAD + b"extra " + b"AAAA" * 21_846 + b"\nindex 0\n\n" + NOTE, "proof_extra"),
        (HEAD + b"index 0\n" + HASH[:-1] + b"\n\n" + NOTE, "proof_hashes"),
        (HEAD + b"index 0\nAAAA\n\n" + NOTE, "proof_hashes"),
        (HEAD + b"index 0\n" + (HASH + b"\n") * 64 + b"\n" + NOTE, "proof_hashes"),
        (HEAD + b"index 0\n" + (HASH + b"\n") * 5000 + b"\n" + NOTE, "proof_hashes"),
        (HEAD + b"index 0\n\xff\n\n" + NOTE, "proof_structure"),
        (HEAD.replace(b"\n", b"\r\n") + b"index 0\r\n\n" + NOTE, "proof_header"),
        (b"x" * (PROOF_BYTES_MAX + 1), "proof_size"),
    ],
)
def test_any_other_bytes_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_tlog_proof(data)
    assert caught.value.code == code


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple),
    st.binary(max_size=50),
    st.none() | st.binary(max_size=50),
)
def test_proof_and_bytes_are_inverse(index: int, hashes: tuple[bytes, ...], note: bytes, extra: bytes | None) -> None:
    proof = TlogProof(index, hashes, note, extra)
    assert parse_tlog_proof(proof.format()) == proof


@given(st.integers(0, 200), st.integers(0, 255), st.booleans())
def test_bytes_that_parse_are_the_ones_that_are_formatted(position: int, value: int, insert: bool) -> None:
    data = proof_of(1, extra=b"extra").format()
    altered = data[:position] + bytes([value]) + data[position + (not insert) :]
    try:
        proof = parse_tlog_proof(altered)
    except LedgerError:
        return
    assert proof.format() == altered
