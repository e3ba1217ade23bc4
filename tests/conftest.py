"""Fixtures that every package's tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No time limit per example: a machine shared with a training run is no defect of the code under test.
settings.register_profile("rail", deadline=None)
settings.load_profile("rail")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real models, corpora and evaluation pairs that are not part of the repository."""
    folder = Path(os.environ.get("RAIL_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder} (set RAIL_SHARED_DATA to the folder with models/ and corpora/)")
    return folder
