"""Values of statements and model files as JSON."""

from collections.abc import Mapping


def plain(value: object) -> object:
    """Bytes become hexadecimal, tuples lists; the rest keeps its shape."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
