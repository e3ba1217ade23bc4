"""Numbered, timed and checked steps, for people and for --json."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from web.cli.output import CommandError, Exit, fact, say


@dataclass(frozen=True, slots=True)
class Done:
    """One step that went as it should."""

    title: str
    seconds: float


class Steps:
    """Prints each step and stops the demo at the first claim that does not hold."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.done: list[Done] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and say how long it took once all its claims held."""
        if not self.quiet:
            say()
            say(f"{len(self.done) + 1}  {title}", bold=True)
        started = time.perf_counter()
        yield
        seconds = time.perf_counter() - started
        self.done.append(Done(title, round(seconds, 3)))
        if not self.quiet:
            say(f"  ✓ {seconds:.2f} s", fg="green")

    def show(self, name: str, value: object) -> None:
        """A fact of the current step."""
        if not self.quiet:
            fact(name, value)

    def claim(self, holds: bool, what: str) -> None:
        """Go on if `holds`; otherwise the demo has failed. Raises CommandError (`demo_failed`)."""
        if not holds:
            hint = "this should never happen: please report it with the output above"
            raise CommandError("demo_failed", f"step {len(self.done) + 1}: {what}", hint, Exit.NO_MATCH)

    @property
    def seconds(self) -> float:
        return sum(done.seconds for done in self.done)

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(done) for done in self.done]
