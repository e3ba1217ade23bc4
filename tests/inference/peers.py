"""Reference libraries that a user may lack."""

import importlib
import os
from types import ModuleType

import pytest


def peer(module: str, promised: bool = True) -> ModuleType:
    """Import it; skip the test where it is missing, fail where CI promised it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        assert not (promised and os.environ.get("RAIL_REQUIRE_TOOLS")), (
            f"{module} is missing (RAIL_REQUIRE_TOOLS is set)"
        )
        pytest.skip(f"{module} is not installed; it is needed to compare with the reference implementation")
