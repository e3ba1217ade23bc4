"""The version of RAIL, as packaged."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version


def version() -> str:
    """Version of the installed package; `0+source` when the code runs without being installed."""
    try:
        return installed_version("rail-ledger")
    except PackageNotFoundError:
        return "0+source"
