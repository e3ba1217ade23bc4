"""Taking a run to its end where only what it returns is wanted."""

from collections.abc import Generator
from typing import Any, TypeVar

Result = TypeVar("Result")


def drain(stream: Generator[Any, None, Result]) -> Result:
    """What the generator returns, whatever it yields on the way."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            result: Result = end.value
            return result
