"""Checkpoints against the vectors of C2SP and of other implementations, and everything that is not one."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import LOG_KEY, ORIGIN, OTHER_KEY, WITNESS_KEY

from ledger.checkpoint import (
    Checkpoint,
    cosign,
    open_checkpoint,
    open_witnessed,
    parse_checkpoint,
    parse_text,
    sign,
)
from ledger.errors import LedgerError, ParseError, SignatureInvalid
from ledger.keys import SigningKey
from ledger.merkle import EMPTY_ROOT
from ledger.note import sign_note

SIZE_3 = """rail.example/log1
3
lPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk=

— rail.example/log1 f9e8cDoh/PsMgZBGwoLyR2WWFu+X4vPdYAuvCWrTAvU1IqL0LNKP2lDnkHVhBne+8KXXMWRRG8KBU/fPEKf08bu7Zgo=
""".encode()
COSIGNATURE = (
    "— w1.example/witness "
    "hl9qWgAAAABlU/EAyd1augTCHLaV6niRH/VOhW5NmH6gBzuhqT+vO/IDXd0YFFyaRNPgtoqNdcg3+TpbLg8N6PgmA4xQl5JV9x2VDA==\n"
).encode()
HEAD_3 = Checkpoint(ORIGIN, 3, b64decode("lPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk="))
LOG = LOG_KEY.verify_key
WITNESS = WITNESS_KEY.verify_key


def test_vector_of_size_3() -> None:
    assert sign(HEAD_3, [LOG_KEY]) == SIZE_3
    assert open_checkpoint(SIZE_3, LOG) == HEAD_3
    assert open_checkpoint(SIZE_3, LOG, ORIGIN) == HEAD_3


def test_vector_of_a_cosignature() -> None:
    note = SIZE_3 + COSIGNATURE
    assert cosign(SIZE_3, WITNESS_KEY, 1_700_000_000) == note
    opened = open_witnessed(note, LOG, [WITNESS])
    assert opened.checkpoint == HEAD_3
    assert [(item.key.name, item.time) for item in opened.cosignatures] == [("w1.example/witness", 1_700_000_000)]
    assert open_witnessed(note, LOG, []).cosignatures == ()


def test_vector_of_sigsum() -> None:
    # C2SP issue 99, in its corrected form.
    origin = "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69"
    note = (
        f"{origin}\n10\nHA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— {origin} "
        "gJ2ho0n8F8olcerUF1FFdv235A/5as/coWrpLrtE7ovMeP5whgwouYExowG/lTznxu6OUGjjt5yJQ6bXtTcf718MqAQ=\n"
    ).encode()
    key = SigningKey.from_seed(origin, b"\x11" + bytes(31))
    head = open_checkpoint(note, key.verify_key)
    assert (head.size, head.root[:3].hex()) == (10, "1c0e47")
    assert sign(head, [key]) == note


def test_empty_log() -> None:
    head = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert head.text() == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    assert open_checkpoint(sign(head, [LOG_KEY]), LOG) == head


def test_checkpoint_of_another_log_is_rejected() -> None:
    for note, key, origin, code in [
        (SIZE_3, LOG, "rail.example/log2", "checkpoint_origin"),
        (SIZE_3, OTHER_KEY.verify_key, None, "checkpoint_origin"),
        (SIZE_3, OTHER_KEY.verify_key, ORIGIN, "checkpoint_unsigned"),
        (sign(HEAD_3, [OTHER_KEY]), LOG, None, "checkpoint_unsigned"),
        (cosign(sign(HEAD_3, [OTHER_KEY]), WITNESS_KEY, 1), LOG, None, "checkpoint_unsigned"),
    ]:
        with pytest.raises(SignatureInvalid) as caught:
            open_witnessed(note, key, [WITNESS], origin)
        assert caught.value.code == code


def test_origin_need_not_be_the_keys_name() -> None:
    head = Checkpoint("go.sum database tree", 3, HEAD_3.root)
    note = sign(head, [LOG_KEY])
    assert open_checkpoint(note, LOG, "go.sum database tree") == head
    with pytest.raises(SignatureInvalid):
        open_checkpoint(note, LOG)


def test_bad_cosignature_refuses_the_checkpoint() -> None:
    altered = (SIZE_3 + COSIGNATURE).replace(b"hl9qWgAAAABl", b"hl9qWgAAAABm")
    assert open_checkpoint(altered, LOG) == HEAD_3
    with pytest.raises(SignatureInvalid) as caught:
        open_witnessed(altered, LOG, [WITNESS])
    assert caught.value.code == "note_signature"


def test_every_altered_bit_is_rejected() -> None:
    note = SIZE_3 + COSIGNATURE
    for position in range(len(note)):
        for bit in range(8):
            altered = bytearray(note)
            altered[position] ^= 1 << bit
            try:
                opened = open_witnessed(bytes(altered), LOG, [WITNESS])
            except (ParseError, SignatureInvalid):
                continue
            # The cosignature's line now names an unknown key: it counts for nothing, and the rest is untouched.
            assert position >= len(SIZE_3)
            assert (opened.checkpoint, opened.cosignatures) == (HEAD_3, ())


ROOT = "lPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk="


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{ORIGIN}\n3\n", "checkpoint_lines"),
        (f"{ORIGIN}\n3\n{ROOT}", "checkpoint_lines"),
        (f"{ORIGIN}\n3\n{ROOT}\nextension\n", "checkpoint_lines"),
        (f"{ORIGIN}\n3\n{ROOT}\n\n", "checkpoint_lines"),
        (f"\n3\n{ROOT}\n", "checkpoint_origin"),
        (f"{'x' * 256}\n3\n{ROOT}\n", "checkpoint_origin"),
        (f"a\tb\n3\n{ROOT}\n", "checkpoint_origin"),
        (f"{ORIGIN}\n\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n03\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n00\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n-3\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n+3\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n 3\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n3_0\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n0x3\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n٣\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n3.0\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n9223372036854775808\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n{'9' * 5000}\n{ROOT}\n", "checkpoint_size"),
        (f"{ORIGIN}\n3\n{ROOT[:-1]}\n", "checkpoint_root"),
        (f"{ORIGIN}\n3\n{ROOT[:-2]}l=\n", "checkpoint_root"),
        (f"{ORIGIN}\n3\n {ROOT}\n", "checkpoint_root"),
        (f"{ORIGIN}\n3\n{ROOT[:-4]}\n", "checkpoint_root"),
        (f"{ORIGIN}\n3\n{ROOT.replace('/', '_')}\n", "checkpoint_root"),
        (f"{ORIGIN}\n0\n{ROOT}\n", "checkpoint_root"),
    ],
)
def test_any_other_text_is_refused(text: str, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_text(text)
    assert caught.value.code == code
    if text.endswith("\n") and "\t" not in text:
        with pytest.raises(LedgerError):
            open_checkpoint(sign_note(text, [LOG_KEY]), LOG)


@given(
    st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cs",)), min_size=1, max_size=60),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_checkpoint_and_text_are_inverse(origin: str, size: int, root: bytes) -> None:
    head = Checkpoint(origin, size, root)
    assert parse_text(head.text()) == head
    assert parse_checkpoint(sign(head, [LOG_KEY]))[0] == head


@given(st.text(alphabet="0123456789a=\n/+AB ", max_size=70) | st.text(max_size=70))
def test_text_that_parses_is_the_one_that_is_formatted(text: str) -> None:
    try:
        head = parse_text(text)
    except LedgerError:
        return
    assert head.text() == text
