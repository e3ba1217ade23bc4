"""Fixtures of the engine's tests: the tiny model, and a cache folder that is not the user's."""

from pathlib import Path

import pytest
from tiny_model import write_tiny

from inference.engine import Engine
from inference.modelfile import ModelFile
from inference.tokenizer import Tokenizer


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.rail"
    write_tiny(path)
    return path


@pytest.fixture(scope="session")
def tiny_engine(tiny_path: Path) -> Engine:
    return Engine(ModelFile.open(tiny_path, use_cache=False), threads=1)


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_engine: Engine) -> Tokenizer:
    return tiny_engine.tokenizer
