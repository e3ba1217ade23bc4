"""Trust policies: the example of the specification, every way to be wrong, and quorums counted exhaustively."""

from itertools import chain, combinations

import pytest
from ledger_samples import LOG_KEY, ORIGIN, OTHER_KEY, head_of, tree_of

from ledger import checkpoint
from ledger.errors import LedgerError, ParseError, SignatureInvalid
from ledger.keys import COSIGNATURE_V1, SigningKey
from ledger.policy import open_by_policy, open_counted, parse_policy

WITNESSES = {
    name: SigningKey.from_seed(f"{name.lower()}.example/witness", bytes([number]) * 32, COSIGNATURE_V1)
    for number, name in enumerate(("X1", "X2", "X3", "Y1", "Y2", "Y3"), 1)
}
LINES = [f"witness {name} {key.vkey}" for name, key in WITNESSES.items()]
EXAMPLE = "\n".join(
    [
        f"log {LOG_KEY.vkey} https://{ORIGIN}",
        "",
        "# Two organisations.",
        *LINES[:3],
        "group X-witnesses 2 X1 X2 X3",
        *LINES[3:],
        "group Y-witnesses any Y1 Y2 Y3",
        " \tgroup  X-and-Y\tall X-witnesses Y-witnesses ",
        "quorum X-and-Y",
        "",
    ]
).encode()
NOTE = checkpoint.sign(head_of(tree_of([b"entry 0"])), [LOG_KEY])


def cosigned(names: tuple[str, ...]) -> bytes:
    note = NOTE
    for name in names:
        note = checkpoint.cosign(note, WITNESSES[name], 1_700_000_000)
    return note


def test_example_counts_every_set_of_witnesses_right() -> None:
    policy = parse_policy(EXAMPLE)
    assert policy.logs[0].url == f"https://{ORIGIN}"
    for names in chain.from_iterable(combinations(WITNESSES, count) for count in range(7)):
        enough = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
        assert policy.is_met([WITNESSES[name].verify_key for name in names]) == enough
        assert len(open_counted(cosigned(names), policy).cosignatures) == len(names)
        if enough:
            assert open_by_policy(cosigned(names), policy).checkpoint.size == 1
        else:
            with pytest.raises(SignatureInvalid) as caught:
                open_by_policy(cosigned(names), policy)
            assert caught.value.code == "policy_quorum"


def test_one_witness_that_signs_twice_counts_once() -> None:
    policy = parse_policy(EXAMPLE)
    assert len(open_counted(cosigned(("X1", "X1", "Y1")), policy).cosignatures) == 2
    with pytest.raises(SignatureInvalid):
        open_by_policy(cosigned(("X1", "X1", "Y1")), policy)


def test_quorum_of_one_witness_and_of_none() -> None:
    one = parse_policy(f"log {LOG_KEY.vkey}\n{LINES[0]}\nquorum X1\n".encode())
    assert open_by_policy(cosigned(("X1",)), one).cosignatures
    with pytest.raises(SignatureInvalid):
        open_by_policy(NOTE, one)
    assert open_by_policy(NOTE, parse_policy(f"log {LOG_KEY.vkey}\nquorum none\n".encode())).cosignatures == ()


def test_a_policy_without_logs_takes_the_callers_key() -> None:
    policy = parse_policy(b"quorum none\n")
    assert open_by_policy(NOTE, policy, LOG_KEY.verify_key).checkpoint.origin == ORIGIN
    for key in (None, OTHER_KEY.verify_key):
        with pytest.raises(SignatureInvalid) as caught:
            open_by_policy(NOTE, policy, key)
        assert caught.value.code == "policy_log"


def test_another_key_of_the_same_log_name_is_not_the_log() -> None:
    impostor = SigningKey.from_seed(ORIGIN, b"i" * 32)
    with pytest.raises(SignatureInvalid) as caught:
        open_by_policy(checkpoint.sign(head_of(tree_of([b"x"])), [impostor]), parse_policy(EXAMPLE))
    assert caught.value.code == "checkpoint_unsigned"


def test_a_bad_cosignature_by_a_known_witness_refuses_the_note() -> None:
    note = cosigned(("X1", "Y1"))
    altered = note.replace(b"AABlU/EA", b"AABlU/EB", 1)
    assert altered != note
    with pytest.raises(SignatureInvalid) as caught:
        open_by_policy(altered, parse_policy(EXAMPLE))
    assert caught.value.code == "note_signature"


def test_names_are_opaque_bytes() -> None:
    policy = parse_policy(b"witness \xe2\x84\xaa " + LINES[0].split()[2].encode() + b"\nquorum \xe2\x84\xaa\n")
    assert policy.is_met([WITNESSES["X1"].verify_key])
    with pytest.raises(ParseError):
        parse_policy(b"witness \xe2\x84\xaa " + LINES[0].split()[2].encode() + b"\nquorum K\n")
    assert parse_policy(b"witness \xff " + LINES[0].split()[2].encode() + b"\nquorum \xff\n").witnesses


X1, X2 = LINES[:2]
SAME_KEY = f"witness Z {SigningKey.from_seed('other.example', bytes([1]) * 32, COSIGNATURE_V1).vkey}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "policy_text"),
        ("quorum none", "policy_text"),
        ("quorum none\r\n", "policy_text"),
        ("quorum none\n\0\n", "policy_text"),
        ("# nothing\n", "policy_quorum"),
        ("quorum none\nquorum none\n", "policy_quorum"),
        (f"{X1}\nquorum X1 X1\n", "policy_line"),
        ("quorum X1\n" + X1 + "\n", "policy_name"),
        ("quorum none none\n", "policy_line"),
        ("Quorum none\n", "policy_line"),
        (f"{X1}\n{X1.replace('X1', 'X2')}\nquorum none\n", "policy_key"),
        (f"{X1}\n{SAME_KEY}\nquorum none\n", "policy_key"),
        (f"{X1}\n{X2.replace('X2', 'X1')}\nquorum none\n", "policy_name"),
        (X1.replace("X1", "none") + "\nquorum none\n", "policy_name"),
        (f"{X1}\ngroup none any X1\nquorum none\n", "policy_name"),
        (f"{X1}\ngroup X1 any X1\nquorum none\n", "policy_name"),
        (f"{X1}\ngroup g any X1 X1\nquorum none\n", "policy_member"),
        (f"{X1}\ngroup g any X1\ngroup h any X1\nquorum none\n", "policy_member"),
        (f"{X1}\ngroup g any none\nquorum none\n", "policy_name"),
        (f"{X1}\ngroup g any g\nquorum none\n", "policy_name"),
        (f"{X1}\ngroup g 0 X1\nquorum none\n", "policy_threshold"),
        (f"{X1}\ngroup g 2 X1\nquorum none\n", "policy_threshold"),
        (f"{X1}\ngroup g 01 X1\nquorum none\n", "policy_threshold"),
        (f"{X1}\ngroup g some X1\nquorum none\n", "policy_threshold"),
        (f"{X1}\ngroup g any\nquorum none\n", "policy_line"),
        (f"log {LOG_KEY.vkey}\nlog {LOG_KEY.vkey}\nquorum none\n", "policy_key"),
        (f"log {WITNESSES['X1'].vkey}\nquorum none\n", "policy_key"),
        (f"witness X1 {LOG_KEY.vkey}\nquorum none\n", "policy_key"),
        (f"log {LOG_KEY.vkey} a b\nquorum none\n", "policy_line"),
        ("log nonsense\nquorum none\n", "vkey_format"),
        ("# " + "x" * 600_000 + "\nquorum none\n", "policy_size"),
    ],
)
def test_any_other_policy_is_refused(text: str, code: str) -> None:
    with pytest.raises(LedgerError) as caught:
        parse_policy(text.encode())
    assert caught.value.code == code


def test_limits_bound_the_number_of_definitions() -> None:
    keys = [SigningKey.from_seed(f"w{i}.example", bytes([7, i]) * 16, COSIGNATURE_V1) for i in range(101)]
    lines = [f"witness w{i} {key.vkey}" for i, key in enumerate(keys)]
    assert len(parse_policy("\n".join([*lines[:100], "quorum none", ""]).encode()).witnesses) == 100
    with pytest.raises(ParseError) as caught:
        parse_policy("\n".join([*lines, "quorum none", ""]).encode())
    assert caught.value.code == "policy_size"
