"""What the layers of a check read of a record."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """What a record offers for comparison."""

    prompt_text: str
    output_text: str


# The output of a record that may be matched; None: erased or private by now.
Load = Callable[[int], Output | None]
