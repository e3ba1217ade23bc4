"""Recall by length as SVG: one drawing for each class of negatives, a line for each edit."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from web.bench.matching.sets import NEGATIVES

_WIDTH, _HEIGHT, _LEFT, _TOP = 760, 420, 60, 40
_PLOT_WIDTH, _PLOT_HEIGHT = 480, 330
_COLOURS: Final = ("#1b6ca8", "#c0392b", "#2d7d46", "#8e44ad", "#b9770e", "#16a085", "#7f8c8d", "#d35400", "#2c3e50")


def write_plots(
    rows: Sequence[dict[str, Any]], lengths: Sequence[int], method: str, rate: float, folder: Path
) -> list[Path]:
    """Files recall-METHOD-N1.svg and so on, of the classes that were measured. Makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for negatives in NEGATIVES:
        lines: dict[str, list[float | None]] = {}
        for row in rows:
            if row["method"] == method and row["kind"] not in NEGATIVES and negatives in row["at"]:
                values = lines.setdefault(row["kind"], [None] * len(lengths))
                values[lengths.index(row["words"] or 0)] = row["at"][negatives][str(rate)]
        if lines:
            path = folder / f"recall-{method.replace(' ', '-')}-{negatives}.svg"
            title = f"{method}: recall with the right record at {rate:.1%} of {negatives}"
            path.write_text(_drawing(title, lines, lengths), encoding="utf-8")
            written.append(path)
    return written


def _drawing(title: str, lines: dict[str, list[float | None]], lengths: Sequence[int]) -> str:
    step = _PLOT_WIDTH / max(1, len(lengths) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
    ]
    for tenth in range(0, 11, 2):
        y = _TOP + _PLOT_HEIGHT * (10 - tenth) / 10
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_LEFT + _PLOT_WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>')
    for place, length in enumerate(lengths):
        label = f"{length} words" if length else "whole"
        x = _LEFT + step * place
        parts.append(f'<text x="{x:.1f}" y="{_TOP + _PLOT_HEIGHT + 20}" text-anchor="middle">{label}</text>')
    for number, (name, values) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = ' stroke-dasharray="5 3"' if number >= len(_COLOURS) else ""
        points = " ".join(
            f"{_LEFT + step * place:.1f},{_TOP + _PLOT_HEIGHT * (1 - value):.1f}"
            for place, value in enumerate(values)
            if value is not None
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        y = _TOP + 10 + 18 * number
        parts.append(f'<text x="{_LEFT + _PLOT_WIDTH + 20}" y="{y}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
