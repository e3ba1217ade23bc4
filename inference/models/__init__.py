"""Where the shipped model is."""

import os
from pathlib import Path


def default_model_path() -> Path:
    """The model to use when nobody names one: `RAIL_MODEL` if set, else the one inside this package."""
    chosen = os.environ.get("RAIL_MODEL")
    return Path(chosen) if chosen else Path(__file__).with_name("default.rail")
