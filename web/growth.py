"""How the log grew: a few points of (time, entries), and the curve that the log's page draws."""

from dataclasses import dataclass

from ledger.log import Log
from web.present import Json, rfc3339

POINTS_MAX = 48
WIDTH = 600
HEIGHT = 120


@dataclass(frozen=True, slots=True)
class Point:
    """After the entry of this time the log had `size` entries."""

    seconds: int  # Unix time by the log's clock, never before that of an earlier point
    size: int

    @property
    def time(self) -> str:
        return rfc3339(self.seconds)

    def to_json(self) -> Json:
        return {"time": self.time, "size": self.size}


@dataclass(frozen=True, slots=True)
class Curve:
    """SVG paths in a box of `width` by `height`."""

    first: Point
    last: Point
    line: str
    area: str
    width: int = WIDTH
    height: int = HEIGHT


def growth(log: Log, size: int) -> list[Point]:
    """At most 48 points spread evenly over the first `size` entries; reads one entry a point."""
    count = min(size, POINTS_MAX)
    points: list[Point] = []
    for step in range(1, count + 1):
        reached = size * step // count
        seconds = log.entry(reached - 1).logged
        points.append(Point(max(seconds, points[-1].seconds if points else 0), reached))
    return points


def curve(points: list[Point], now: int) -> Curve | None:
    """The points as a staircase that ends at Unix time `now`; None when they span no time."""
    if not points or now <= points[0].seconds:
        return None
    first, last = points[0], Point(max(now, points[-1].seconds), points[-1].size)
    span = last.seconds - first.seconds
    places = [
        (WIDTH * (p.seconds - first.seconds) // span, HEIGHT - (HEIGHT - 4) * p.size // last.size) for p in points
    ]
    line = f"M{places[0][0]} {places[0][1]}" + "".join(f"H{x}V{y}" for x, y in places[1:]) + f"H{WIDTH}"
    return Curve(first, last, line, f"{line}V{HEIGHT}H0Z")
