"""What a chat template may spend: time and memory as one number, the same on every machine.

Each operation costs a unit, and one for each item or 16 characters that it reads or makes; what would cost more than
is left is not begun. So neither a loop, nor a macro that calls itself, nor `"x" * 10**9` gets far, and a template gives
either the same text everywhere or the same error everywhere.
"""

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from itertools import chain
from typing import Any

from jinja2 import TemplateRuntimeError
from jinja2.runtime import Undefined

UNITS_BASE = 1 << 20
UNITS_PER_CHARACTER = 4  # of the messages, which a template may read some 64 times
UNITS_PER_MESSAGE = 1 << 12
CALL_DEPTH_MAX = 32
INTEGER_BITS_MAX = 4096
_CALL_UNITS = 8
_SEQUENCES: Any = (list, tuple, type({}.keys()), type({}.values()), type({}.items()))
_SIZED: Any = (range, dict, *_SEQUENCES)
_SCALARS = (bool, int, float, type(None), Undefined)


class BudgetExceeded(TemplateRuntimeError):
    """The template does more than it may."""


class Budget:
    """Units that are left of one rendering."""

    def __init__(self, units: int) -> None:
        self.left = units
        self.depth = 0

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            raise BudgetExceeded("it does too much: a loop, a recursion or a text without end")

    def enter(self) -> None:
        """Begin a call; `leave` ends it."""
        self.spend(_CALL_UNITS)
        self.depth += 1
        if self.depth > CALL_DEPTH_MAX:
            raise BudgetExceeded(f"its calls are nested more than {CALL_DEPTH_MAX} deep")

    def leave(self) -> None:
        self.depth -= 1


_current: ContextVar[Budget] = ContextVar("chat template budget")


def budget() -> Budget:
    """Of the rendering that goes on in this thread."""
    return _current.get()


def begin(units: int) -> None:
    """Begin a rendering with so many units."""
    _current.set(Budget(units))


def weigh(value: Any, printed: bool = False) -> int:
    """Spend what reading the whole of a value costs; the depth to which it is nested.

    With `printed`, only plain data is taken.
    """
    levels: list[Any] = [[value]]
    depth = 0
    left = budget().left
    while levels:
        depth += 1
        deeper: list[Any] = []
        for item in chain.from_iterable(levels):
            left -= 1
            if isinstance(item, str):
                left -= len(item) >> 4
            elif isinstance(item, range):
                left -= len(item)
            elif isinstance(item, dict):
                deeper += [item.keys(), item.values()]
            elif isinstance(item, _SEQUENCES):
                deeper.append(item)
            elif printed and not isinstance(item, _SCALARS):
                raise TemplateRuntimeError(f"it prints a {type(item).__name__}, which is no text")
            if left < 0:
                budget().spend(budget().left + 1)
        levels = deeper
    budget().left = left
    return depth


def glance(value: Any) -> None:
    """Spend what going once over the items of a value costs."""
    size = 0
    if isinstance(value, str):
        size = len(value) >> 4
    elif isinstance(value, _SIZED):
        size = len(value)
    budget().spend(1 + size)


def repeated(text: Sequence[Any], count: int) -> None:
    """Spend what so many copies of a text or list cost, before they are made."""
    size = len(text) * max(0, count)
    budget().spend(1 + (size >> 4 if isinstance(text, str) else size))


def checked_integer(value: Any) -> Any:
    """The value, unless it is an integer too large to go on with."""
    if type(value) is int and value.bit_length() > INTEGER_BITS_MAX:
        raise BudgetExceeded(f"it makes an integer of more than {INTEGER_BITS_MAX} bits")
    return value


def joined(parts: Iterable[str]) -> str:
    """The texts one after the other."""
    found: list[str] = []
    for part in parts:
        glance(part)
        found.append(part)
    return "".join(found)
