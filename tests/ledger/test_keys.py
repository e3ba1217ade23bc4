"""Keys: names, identifiers, text forms and files."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import LOG_KEY, OTHER_KEY, WITNESS_KEY

from ledger.errors import LedgerError, NotFound, ParseError, SignatureInvalid, StoreError
from ledger.keys import (
    _SMALL_ORDER_Y,
    COSIGNATURE_V1,
    ED25519,
    SigningKey,
    VerifyKey,
    check_key_name,
    check_public_key,
    operator_id,
)

LOG_VKEY = "rail.example/log1+7fd7bc70+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
WITNESS_VKEY = "w1.example/witness+865f6a5a+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
FOO_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


@pytest.mark.parametrize("text", [LOG_VKEY, WITNESS_VKEY, FOO_VKEY])
def test_vkey_and_text_are_inverse(text: str) -> None:
    assert VerifyKey.parse(text).vkey == text


def test_vectors_of_keys() -> None:
    assert LOG_KEY.public.hex() == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    assert LOG_KEY.vkey == LOG_VKEY
    assert LOG_KEY.key_id.hex() == "7fd7bc70"
    assert LOG_KEY.algorithm == ED25519
    assert WITNESS_KEY.vkey == WITNESS_VKEY
    assert WITNESS_KEY.algorithm == COSIGNATURE_V1
    sigsum = SigningKey.from_seed(
        "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69", b"\x11" + bytes(31)
    )
    assert sigsum.public.hex() == "66e0b858e462a609e66fe71370c816d8846ff103d5499a22a7fec37fdbc424a7"
    assert sigsum.key_id.hex() == "809da1a3"


@given(st.binary(min_size=32, max_size=32), st.sampled_from([ED25519, COSIGNATURE_V1]))
def test_any_key_has_one_text(seed: bytes, algorithm: int) -> None:
    key = SigningKey.from_seed("name.example/clé", seed, algorithm)
    assert VerifyKey.parse(key.vkey) == key.verify_key
    assert operator_id(key.public) == operator_id(key.verify_key.public)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "vkey_format"),
        ("rail.example/log1", "vkey_format"),
        ("rail.example/log1+7fd7bc70", "vkey_format"),
        ("x" * 2101, "vkey_format"),
        (LOG_VKEY.replace("7fd7bc70", "7FD7BC70"), "vkey_key_id"),
        (LOG_VKEY.replace("7fd7bc70", "7fd7bc7"), "vkey_key_id"),
        (LOG_VKEY.replace("7fd7bc70", "7fd7bc71"), "vkey_key_id"),
        (LOG_VKEY.replace("log1", "log2"), "vkey_key_id"),
        (LOG_VKEY.replace("AQOhB7", "AQOhB8"), "vkey_key_id"),
        (LOG_VKEY.replace("AQOhB7", "BAOhB7"), "vkey_key_id"),
        (LOG_VKEY.replace("AQOhB7", "AgOhB7"), "vkey_algorithm"),
        (LOG_VKEY.replace("AQOhB7", "BgOhB7"), "vkey_length"),
        (LOG_VKEY[:-1], "vkey_base64"),
        (LOG_VKEY + "\n", "vkey_base64"),
        (LOG_VKEY + "=", "vkey_base64"),
        (LOG_VKEY[:-4], "vkey_length"),
        (LOG_VKEY + "AAAA", "vkey_length"),
        ("+7fd7bc70+" + LOG_VKEY.split("+", 2)[2], "key_name"),
        (" " + LOG_VKEY, "key_name"),
    ],
)
def test_any_other_vkey_is_refused(text: str, code: str) -> None:
    with pytest.raises(ParseError) as caught:
        VerifyKey.parse(text)
    assert caught.value.code == code


@given(st.text(max_size=120) | st.text(alphabet="+0123456789abcdefAQ/=").map(lambda tail: "name+" + tail))
def test_a_vkey_that_parses_is_the_one_that_is_formatted(text: str) -> None:
    try:
        key = VerifyKey.parse(text)
    except LedgerError:
        return
    assert key.vkey == text


def test_every_altered_character_of_a_vkey_is_refused() -> None:
    for position in range(len(LOG_VKEY)):
        for bit in range(7):
            altered = LOG_VKEY[:position] + chr(ord(LOG_VKEY[position]) ^ 1 << bit) + LOG_VKEY[position + 1 :]
            with pytest.raises(ParseError):
                VerifyKey.parse(altered)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a+b",
        "a\tb",
        "a\nb",
        "a\x85b",
        "a\xa0b",
        "a\u2003b",
        "a\u3000b",
        "a\x00b",
        "a\ud800b",
        "x" * 256,
        "é" * 128,
    ],
)
def test_name_that_no_note_can_bear_is_refused(name: str) -> None:
    with pytest.raises(ParseError) as caught:
        check_key_name(name)
    assert caught.value.code == "key_name"
    with pytest.raises(ParseError):
        SigningKey.generate(name)


# Public keys that prove nothing

PRIME = 2**255 - 19
D = -121665 * pow(121666, -1, PRIME) % PRIME


def is_small_order(y: int) -> bool:
    """Whether eight times the Edwards point with this y is the neutral element, by the group law of RFC 8032."""
    xx = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(xx, (PRIME + 3) // 8, PRIME)
    if (x * x - xx) % PRIME:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    assert (x * x - xx) % PRIME == 0, "not a point of the curve"
    for _ in range(3):
        t = D * x * x * y * y % PRIME
        x, y = 2 * x * y * pow(1 + t, -1, PRIME) % PRIME, (y * y + x * x) * pow(1 - t, -1, PRIME) % PRIME
    return (x, y) == (0, 1)


def test_table_of_small_order_points_is_that_of_the_curve() -> None:
    assert len(_SMALL_ORDER_Y) == 5  # eight points: two with y = 0, two for each of the two y of order 8
    assert all(is_small_order(y) for y in _SMALL_ORDER_Y)
    assert not is_small_order(int.from_bytes(LOG_KEY.public, "little") & (1 << 255) - 1)


@pytest.mark.parametrize("y", [*sorted(_SMALL_ORDER_Y), PRIME, PRIME + 1, PRIME + 3, 2**255 - 1])
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_weak_or_non_canonical_public_key_is_refused(y: int, sign: int) -> None:
    public = (y | sign).to_bytes(32, "little")
    with pytest.raises(ParseError):
        check_public_key(public, "code")
    with pytest.raises(ParseError) as caught:
        VerifyKey("name", public)
    assert caught.value.code == "vkey_public"


# Signatures


def test_signature_verifies_for_its_message_and_key_only() -> None:
    signature = LOG_KEY.sign(b"message")
    assert signature == LOG_KEY.sign(b"message")
    LOG_KEY.verify_key.verify(b"message", signature)
    for key, message, wrong in [
        (OTHER_KEY, b"message", signature),
        (LOG_KEY, b"massage", signature),
        (LOG_KEY, b"message", signature[:-1]),
        (LOG_KEY, b"message", signature + b"\x00"),
        (LOG_KEY, b"message", b""),
    ]:
        with pytest.raises(SignatureInvalid) as caught:
            key.verify_key.verify(message, wrong)
        assert caught.value.code == "signature"


def test_second_form_of_a_signature_is_rejected() -> None:
    # S and S + L sign alike unless the verifier checks S < L (RFC 8032 section 5.1.7).
    order = 2**252 + 27742317777372353535851937790883648493
    signature = LOG_KEY.sign(b"message")
    scalar = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(SignatureInvalid):
        LOG_KEY.verify_key.verify(b"message", signature[:32] + scalar.to_bytes(32, "little"))


# Files


def test_saved_key_loads(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    for key in (LOG_KEY, WITNESS_KEY, SigningKey.generate("näme.example")):
        key.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert SigningKey.load(path) == key
        path.unlink()


def test_key_file_is_the_line_that_other_tools_use(tmp_path: Path) -> None:
    LOG_KEY.save(tmp_path / "log.key")
    text = (tmp_path / "log.key").read_text()
    assert text == "PRIVATE+KEY+rail.example/log1+7fd7bc70+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"


def test_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    LOG_KEY.save(path)
    with pytest.raises(StoreError) as caught:
        OTHER_KEY.save(path)
    assert caught.value.code == "key_file_exists"
    assert SigningKey.load(path) == LOG_KEY


def test_failed_write_leaves_no_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError) as caught:
        LOG_KEY.save(tmp_path / "log.key")
    assert caught.value.code == "key_file_write"
    assert list(tmp_path.iterdir()) == []


def test_draft_left_by_a_crash_is_in_no_ones_way(tmp_path: Path) -> None:
    (tmp_path / f".log.key.{os.getpid()}.draft").write_bytes(b"PRIV")
    LOG_KEY.save(tmp_path / "log.key")
    assert [path.name for path in tmp_path.iterdir()] == ["log.key"]


def test_key_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        LOG_KEY.save(tmp_path / "no" / "log.key")
    assert caught.value.code == "key_file_write"
    with pytest.raises(NotFound) as missing:
        SigningKey.load(tmp_path / "no" / "log.key")
    assert missing.value.code == "key_file_missing"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.key"
    LOG_KEY.save(path)
    path.chmod(mode)
    with pytest.raises(ParseError) as caught:
        SigningKey.load(path)
    assert caught.value.code == "key_file_mode"
    assert "chmod 600" in str(caught.value)


GOOD = b"PRIVATE+KEY+rail.example/log1+7fd7bc70+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "key_file_format"),
        (GOOD[:-1], "key_file_format"),
        (GOOD[:-1] + b"\r\n", "key_file_base64"),
        (GOOD + b"\n", "key_file_base64"),
        (b" " + GOOD, "key_file_format"),
        (GOOD.replace(b"PRIVATE", b"private"), "key_file_format"),
        (GOOD.replace(b"7fd7bc70", b"7fd7bc71"), "key_file_key_id"),
        (GOOD.replace(b"log1", b"log2"), "key_file_key_id"),
        (GOOD.replace(b"AQABAg", b"BAABAg"), "key_file_key_id"),
        (GOOD.replace(b"AQABAg", b"CQABAg"), "key_algorithm"),
        (GOOD[:-5] + b"\n", "key_file_length"),
        (b"\xff" + GOOD, "key_file_format"),
        (b"PRIVATE+KEY+" + b"x" * 1_000_000, "key_file_format"),
    ],
)
def test_any_other_key_file_is_refused_without_showing_it(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "log.key"
    path.touch(0o600)
    path.write_bytes(data)
    with pytest.raises(ParseError) as caught:
        SigningKey.load(path)
    assert caught.value.code == code
    assert "AQAB" not in str(caught.value)


def test_folder_or_pipe_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ParseError) as caught:
            SigningKey.load(path)
        assert caught.value.code == "key_file_format"


def test_repr_holds_no_secret() -> None:
    assert "_seed" not in repr(LOG_KEY)
    assert repr(bytes(range(32)))[2:20] not in repr(LOG_KEY)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_seed_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ParseError) as caught:
        SigningKey.from_seed("name", bytes(length))
    assert caught.value.code == "key_seed"
