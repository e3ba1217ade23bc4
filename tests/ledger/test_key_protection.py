"""Key files that are encrypted at rest."""

from pathlib import Path

import pytest

from ledger.errors import ParseError
from ledger.key_files import rewrite_secret
from ledger.key_protection import VARIABLE, protect, unprotect
from ledger.keys import SigningKey

KEY = SigningKey.from_seed("rail.example/log1", bytes(range(32)))


@pytest.fixture
def passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_text("correct horse\n")
    monkeypatch.setenv(VARIABLE, str(path))
    return path


def code_of(path: Path) -> str:
    with pytest.raises(ParseError) as caught:
        SigningKey.load(path)
    return caught.value.code


def test_a_new_key_is_encrypted_where_a_passphrase_is_set(
    tmp_path: Path, passphrase: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.key"
    KEY.save(path)
    data = path.read_bytes()
    assert data.startswith(b"ENCRYPTED+KEY+scrypt-15-8-1+") and b"rail.example" not in data
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path) == KEY
    passphrase.write_text("wrong horse\n")
    assert code_of(path) == "key_file_passphrase"
    passphrase.chmod(0o644)
    assert code_of(path) == "key_file_mode"
    monkeypatch.delenv(VARIABLE)
    assert code_of(path) == "key_file_passphrase"


def test_a_key_is_encrypted_later_and_laid_open_again(
    tmp_path: Path, passphrase: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.key"
    with monkeypatch.context() as without:
        without.delenv(VARIABLE)
        KEY.save(path)
        with pytest.raises(ParseError) as caught:
            rewrite_secret(path, protected=True)
        assert caught.value.code == "key_file_passphrase"
    plain = path.read_bytes()
    assert SigningKey.load(path) == KEY  # a file that is not encrypted is read all the same
    rewrite_secret(path, protected=True)
    assert path.read_bytes() != plain and SigningKey.load(path) == KEY
    rewrite_secret(path, protected=False)
    assert path.read_bytes() == plain and path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


def test_every_flipped_byte_is_found() -> None:
    sealed = protect(b"secret", b"pass")
    assert unprotect(sealed, b"pass") == b"secret"
    for place in range(len("ENCRYPTED+KEY+"), len(sealed), 7):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(ParseError) as caught:
            unprotect(bytes(altered), b"pass")
        assert caught.value.code in ("key_file_format", "key_file_passphrase")


def test_an_empty_passphrase_is_none(tmp_path: Path, passphrase: Path) -> None:
    passphrase.write_text("\n")
    with pytest.raises(ParseError) as caught:
        KEY.save(tmp_path / "log.key")
    assert caught.value.code == "key_file_passphrase" and not (tmp_path / "log.key").exists()
