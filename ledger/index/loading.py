"""What the layers of a check read of a record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Output:
    """What a record offers for comparison."""

    prompt_text: str
    output_text: str


# The outputs of records, in their order; None: erased or private by now.
Load = Callable[[Sequence[int]], list[Output | None]]
