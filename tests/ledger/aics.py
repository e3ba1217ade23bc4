"""Where the clients live that need Python 3.12: `make aics` installs them into .venv/aics."""

import os
from pathlib import Path

import pytest

PYTHON = Path(
    os.environ.get("RAIL_AICS_PYTHON", Path(__file__).resolve().parents[2] / ".venv" / "aics" / "bin" / "python")
)


def aics_python() -> str:
    """The interpreter that has them. RAIL_REQUIRE_AICS=1 makes its absence a failure instead of a skip."""
    if not PYTHON.exists():
        reason = f"no aics-tlog and aics-witness at {PYTHON}: make aics PYTHON312=/path/to/python3.12"
        if os.environ.get("RAIL_REQUIRE_AICS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return str(PYTHON)
