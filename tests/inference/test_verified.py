"""The cache of verified files: used for an unchanged file, and for no other."""

import os
import time
from pathlib import Path

import pytest
from tiny_model import ROOT, write_tiny

from inference import modelfile, verified
from inference.errors import ModelFileError
from inference.modelfile import ModelFile


@pytest.fixture
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model file that is old enough to be remembered, because the clock of the cache is ahead."""
    path = tmp_path / "m.rail"
    write_tiny(path)
    now = time.time_ns
    monkeypatch.setattr(verified.time, "time_ns", lambda: now() + 10_000_000_000)
    return path


def count_roots(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted: list[int] = []
    real = modelfile.file_roots
    monkeypatch.setattr(modelfile, "file_roots", lambda *args: counted.append(1) or real(*args))
    return counted


def test_unchanged_file_is_hashed_once(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = count_roots(monkeypatch)
    for _ in range(3):
        assert ModelFile.open(settled, expected_root=ROOT).root == ROOT
    assert len(counted) == 1
    ModelFile.open(settled, use_cache=False)
    assert len(counted) == 2
    assert os.stat(verified.cache_path()).st_mode & 0o777 == 0o600


def test_change_that_restores_the_modification_time_is_noticed(settled: Path) -> None:
    ModelFile.open(settled)
    before = os.stat(settled)
    with open(settled, "r+b") as file:
        file.seek(-64, os.SEEK_END)
        byte = file.read(1)
        file.seek(-64, os.SEEK_END)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(settled, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelFileError) as caught:
        ModelFile.open(settled)
    assert caught.value.code == "data_damaged"


def test_damaged_file_is_refused_each_time_and_never_remembered(settled: Path) -> None:
    data = bytearray(settled.read_bytes())
    data[-64] ^= 1
    settled.write_bytes(data)
    for _ in range(2):
        with pytest.raises(ModelFileError) as caught:
            ModelFile.open(settled)
        assert caught.value.code == "data_damaged"
    assert verified.lookup(os.stat(settled)) is None


def test_file_that_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "m.rail"
    write_tiny(path)
    ModelFile.open(path)
    assert not verified.cache_path().exists()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b"\xff", b'{"a": 1}', b"[" * 70_000, b'{"x": "' + b"0" * 63 + b'"}']
)
def test_damaged_cache_counts_as_empty(content: bytes, settled: Path) -> None:
    verified.cache_path().parent.mkdir(parents=True)
    verified.cache_path().write_bytes(content)
    assert ModelFile.open(settled).root == ROOT
    assert verified.lookup(os.stat(settled)) == ROOT


def test_folder_that_cannot_be_written_is_harmless(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert ModelFile.open(settled).root == ROOT


def test_cache_stays_small(settled: Path) -> None:
    status = os.stat(settled)
    for index in range(verified.ENTRIES_MAX + 40):
        os.utime(settled, ns=(index, index))
        verified.remember(settled, os.stat(settled), ROOT)
    assert len(verified._load()) == verified.ENTRIES_MAX
    assert verified.lookup(os.stat(settled)) == ROOT
    assert verified.lookup(status) is None
