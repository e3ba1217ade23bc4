"""Fixtures that every package's tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No time limits on examples or on making them: a busy machine is no defect of the code under test.
settings.register_profile("rail", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rail")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real models, corpora and evaluation pairs that are not part of the repository."""
    folder = Path(os.environ.get("RAIL_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder} (set RAIL_SHARED_DATA to the folder with models/ and corpora/)")
    return folder
