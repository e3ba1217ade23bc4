"""Signed notes: the vectors of the specification, and everything that is not a note."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import LOG_KEY, OTHER_KEY, WITNESS_KEY

from ledger.encoding import format_base64
from ledger.errors import LedgerError, ParseError, SignatureInvalid
from ledger.keys import SigningKey, VerifyKey
from ledger.note import (
    NOTE_BYTES_MAX,
    Note,
    NoteSignature,
    Verified,
    parse_note,
    sign_note,
    sign_text,
    verify_signatures,
)

TEXT = "This is an example message.\n"
FOO = VerifyKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
FOO_LINE = (
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
FOO_NOTE = f"{TEXT}\n{FOO_LINE}".encode()


def refused(data: bytes) -> str:
    with pytest.raises(ParseError) as caught:
        parse_note(data)
    return caught.value.code


def test_vector_of_the_signed_note_specification() -> None:
    note = parse_note(FOO_NOTE)
    assert note.text == TEXT
    assert verify_signatures(note, [FOO]) == [Verified(FOO, None)]
    assert note.format() == FOO_NOTE


def test_text_may_hold_blank_lines() -> None:
    text = "Ognuno sta solo\n\ned è subito sera.\n"
    note = parse_note(sign_note(text, [LOG_KEY]))
    assert note.text == text
    assert verify_signatures(note, [LOG_KEY.verify_key]) == [Verified(LOG_KEY.verify_key, None)]


def test_signatures_by_unknown_keys_are_ignored() -> None:
    note = parse_note(sign_note(TEXT, [OTHER_KEY, LOG_KEY]))
    assert [item.key for item in verify_signatures(note, [LOG_KEY.verify_key])] == [LOG_KEY.verify_key]
    assert verify_signatures(note, []) == []
    same_name = SigningKey.from_seed(LOG_KEY.name, bytes(32))
    assert verify_signatures(note, [same_name.verify_key]) == []


def test_one_bad_signature_by_a_known_key_refuses_the_note() -> None:
    good = parse_note(sign_note(TEXT, [OTHER_KEY, LOG_KEY]))
    for broken in range(2):
        lines = list(good.signatures)
        blob = bytearray(lines[broken].blob)
        blob[5] ^= 1
        lines[broken] = NoteSignature(lines[broken].name, lines[broken].key_id, bytes(blob))
        with pytest.raises(SignatureInvalid) as caught:
            verify_signatures(Note(TEXT, tuple(lines)), [LOG_KEY.verify_key, OTHER_KEY.verify_key])
        assert caught.value.code == "note_signature"


@pytest.mark.parametrize("blob", [b"\x00", bytes(63), bytes(65), bytes(71), bytes(72), bytes(73), b"\xff" * 72])
@pytest.mark.parametrize("key", [LOG_KEY, WITNESS_KEY])
def test_signature_of_another_length_refuses_the_note(key: SigningKey, blob: bytes) -> None:
    note = parse_note(Note(TEXT, (NoteSignature(key.name, key.key_id, blob),)).format())
    with pytest.raises(SignatureInvalid) as caught:
        verify_signatures(note, [key.verify_key])
    assert caught.value.code == "note_signature"


def test_collision_of_key_ids_does_no_harm() -> None:
    # A key with the same name and key id but another public key: the line is tried, and fails.
    class Colliding(VerifyKey):
        key_id = LOG_KEY.key_id

    note = parse_note(sign_note(TEXT, [LOG_KEY]))
    with pytest.raises(SignatureInvalid):
        verify_signatures(note, [Colliding(LOG_KEY.name, OTHER_KEY.public)])


# Cosignatures


def test_cosignature_binds_time_and_text() -> None:
    line = sign_text(TEXT, WITNESS_KEY, 1_700_000_000)
    note = parse_note(Note(TEXT, (line,)).format())
    assert verify_signatures(note, [WITNESS_KEY.verify_key]) == [Verified(WITNESS_KEY.verify_key, 1_700_000_000)]
    other_time = NoteSignature(line.name, line.key_id, (1_700_000_001).to_bytes(8, "big") + line.blob[8:])
    for wrong in (Note(TEXT, (other_time,)), Note("Another text.\n", (line,))):
        with pytest.raises(SignatureInvalid):
            verify_signatures(wrong, [WITNESS_KEY.verify_key])


def test_cosignature_with_an_impossible_time_is_refused() -> None:
    time = 2**63
    raw = WITNESS_KEY.sign(f"cosignature/v1\ntime {time}\n{TEXT}".encode())
    line = NoteSignature(WITNESS_KEY.name, WITNESS_KEY.key_id, time.to_bytes(8, "big") + raw)
    with pytest.raises(SignatureInvalid):
        verify_signatures(Note(TEXT, (line,)), [WITNESS_KEY.verify_key])


def test_plain_signature_does_not_serve_as_cosignature() -> None:
    plain = SigningKey.from_seed(WITNESS_KEY.name, bytes(range(32, 64)))
    line = sign_text(TEXT, plain)
    assert plain.key_id != WITNESS_KEY.key_id
    forged = NoteSignature(WITNESS_KEY.name, WITNESS_KEY.key_id, bytes(8) + line.blob)
    with pytest.raises(SignatureInvalid):
        verify_signatures(Note(TEXT, (forged,)), [WITNESS_KEY.verify_key])


@pytest.mark.parametrize(("key", "time"), [(LOG_KEY, 5), (WITNESS_KEY, None), (WITNESS_KEY, 0), (WITNESS_KEY, 2**63)])
def test_key_and_time_must_fit(key: SigningKey, time: int | None) -> None:
    with pytest.raises(ValueError, match="time"):
        sign_text(TEXT, key, time)


# Strictness


@given(
    st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cs",)) | st.just("\n"), max_size=60),
    st.lists(st.sampled_from([LOG_KEY, OTHER_KEY]), min_size=1, max_size=3),
)
def test_note_and_bytes_are_inverse(text: str, keys: list[SigningKey]) -> None:
    data = sign_note(text + "\n", keys)
    note = parse_note(data)
    assert (note.text, note.format()) == (text + "\n", data)
    assert len(verify_signatures(note, [key.verify_key for key in keys])) == len(set(keys))


@given(
    st.binary(max_size=80)
    | st.tuples(st.integers(0, len(FOO_NOTE) - 1), st.integers(0, 255)).map(
        lambda t: FOO_NOTE[: t[0]] + bytes([t[1]]) + FOO_NOTE[t[0] + 1 :]
    )
)
def test_bytes_that_parse_are_the_ones_that_are_formatted(data: bytes) -> None:
    try:
        note = parse_note(data)
    except LedgerError:
        return
    assert note.format() == data


def test_every_altered_byte_of_a_note_is_refused_or_unsigned() -> None:
    for position in range(len(FOO_NOTE)):
        for bit in range(8):
            altered = bytearray(FOO_NOTE)
            altered[position] ^= 1 << bit
            try:
                verified = verify_signatures(parse_note(bytes(altered)), [FOO])
            except (ParseError, SignatureInvalid):
                continue
            assert verified == []  # The line now names another key.


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "note_structure"),
        (TEXT.encode(), "note_structure"),
        (FOO_NOTE[:-1], "note_structure"),
        (FOO_NOTE + b"\n", "note_structure"),
        (TEXT.encode() + b"\n", "note_structure"),
        (TEXT.encode() + FOO_LINE.encode(), "note_structure"),
        (FOO_NOTE.replace(b"\n", b"\r\n"), "note_text"),
        (b"a\tb" + FOO_NOTE, "note_text"),
        (b"a\x00b" + FOO_NOTE, "note_text"),
        (b"\xff" + FOO_NOTE, "note_text"),
        (b"\xed\xa0\x80" + FOO_NOTE, "note_text"),
        (FOO_NOTE + b"trailing\n", "note_signature_line"),
        (FOO_NOTE.replace("— ".encode(), b"- "), "note_signature_line"),
        (FOO_NOTE.replace("— ".encode(), "—".encode()), "note_signature_line"),
        (FOO_NOTE.replace("— ".encode(), "—  ".encode()), "note_signature_line"),
        (FOO_NOTE.replace(b"/foo ", b"/foo  "), "note_signature_line"),
        (FOO_NOTE.replace(b"example.com/foo ", b""), "note_signature_line"),
        (FOO_NOTE.replace(b"/foo", b"+foo"), "key_name"),
        (FOO_NOTE.replace(b"/foo", "\u2003foo".encode()), "key_name"),
        (FOO_NOTE.replace(b"aQM=", b"aQM"), "note_signature_base64"),
        (FOO_NOTE.replace(b"aQM=", b"aQN="), "note_signature_base64"),
        (FOO_NOTE.replace(b"aQM=", b"aQM= "), "note_signature_line"),
        (FOO_NOTE.replace(b"Uw2Q", b"Uw-Q"), "note_signature_base64"),
        (f"{TEXT}\n— name {format_base64(bytes(4))}\n".encode(), "note_signature_line"),
        (f"{TEXT}\n— name \n".encode(), "note_signature_line"),
        (FOO_NOTE + FOO_LINE.encode() * 100, "note_signature_count"),
        (b"x" * (NOTE_BYTES_MAX + 1), "note_size"),
    ],
)
def test_any_other_bytes_are_refused(data: bytes, code: str) -> None:
    assert refused(data) == code


def test_a_hundred_signatures_are_accepted() -> None:
    keys = [SigningKey.from_seed(f"key{i}.example", bytes([i]) * 32) for i in range(100)]
    note = parse_note(sign_note(TEXT, keys))
    assert len(verify_signatures(note, [key.verify_key for key in keys])) == 100


def test_a_key_counts_once_however_often_it_signed() -> None:
    first, second = (sign_text(TEXT, WITNESS_KEY, time) for time in (5, 6))
    note = Note(TEXT, (first, second, first))
    assert verify_signatures(note, [WITNESS_KEY.verify_key]) == [Verified(WITNESS_KEY.verify_key, 5)]
    broken = NoteSignature(first.name, first.key_id, bytes(72))
    with pytest.raises(SignatureInvalid):
        verify_signatures(Note(TEXT, (first, broken)), [WITNESS_KEY.verify_key])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "nul\x00\n", "cr\r\n"])
def test_text_that_no_note_may_hold_is_not_signed(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        sign_note(text, [LOG_KEY])
    assert caught.value.code == "note_text"
