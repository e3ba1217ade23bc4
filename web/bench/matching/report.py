"""From scores to recall: as JSON and as text."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from web.bench.matching.cells import Cells
from web.bench.matching.sets import NEGATIVES

RATES: Final = (0.01, 0.001)
_VERDICTS: Final = ("exact", "excerpt", "edited", "reworded", "none", "unchecked")


def facts(cells: Cells) -> list[dict[str, Any]]:
    """A row for each method, class of negatives, length and edit, and a row of verdicts for each kind and length."""
    rows: list[dict[str, Any]] = []
    for (method, length, name), cell in cells.items():
        row: dict[str, Any] = {"method": method, "kind": name, "words": length or None, "texts": len(cell.reported)}
        if cell.verdicts:
            total = sum(cell.verdicts.values())
            row["verdicts"] = {verdict: round(cell.verdicts[verdict] / total, 4) for verdict in _VERDICTS}
        if name not in NEGATIVES:
            row["top1"] = round(cell.top1, 4)
        if cell.aligned:
            row["aligned"] = {str(share): _quantile(cell.aligned, share) for share in (0.05, 0.5, 0.95, 0.99, 0.999)}
        if name in NEGATIVES:
            row["thresholds"] = {str(rate): cell.threshold(rate) for rate in RATES}
        row["at"] = {}
        for negatives in NEGATIVES:
            against = cells.get((method, length, negatives))
            if against is not None and against.fitted:
                row["at"][negatives] = {
                    str(rate): round(
                        cell.share_above(against.threshold(rate))
                        if name in NEGATIVES
                        else cell.recall(against.threshold(rate)),
                        4,
                    )
                    for rate in RATES
                }
        rows.append(row)
    return rows


def thresholds(cells: Cells) -> dict[str, float]:
    """By method, the threshold at 1 % of N1 on whole texts, or on the longest that were measured; 0 without N1."""
    found: dict[str, float] = {}
    for (method, _, name), cell in sorted(cells.items(), key=lambda item: item[0][1] or 1 << 30):
        if name == "N1":
            found[method] = cell.threshold(RATES[0])
    return found


def more_lines(disguises: list[dict[str, Any]], mixed: list[dict[str, Any]]) -> Iterator[str]:
    """The tables of disguises and of mixed documents."""
    methods = list(disguises[0]["kept"]) if disguises else []
    yield "\nshare of outputs that keep their match in disguise (right record, above 1 % of N1)"
    yield f"  {'disguise':<24}{''.join(f'{method:>14}' for method in methods)}"
    for row in disguises:
        yield f"  {row['disguise']:<24}" + "".join(f"{row['kept'][method]:>14.3f}" for method in methods)
    if mixed:
        yield "\nrail, a passage of an output in a human text: found, precision and recall of the marked characters"
        for row in mixed:
            numbers = f"{row['found']:>8.3f}{row['precision']:>8.3f}{row['recall']:>8.3f}"
            yield f"  {row['machine_percent']:>3} % of 240 words    {numbers}"


def _quantile(values: Sequence[int], share: float) -> int:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def lines(rows: list[dict[str, Any]], lengths: Sequence[int]) -> Iterator[str]:
    """Tables: for each method and class of negatives recall at 1 % / 0.1 %, then verdicts."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    by_key = {(row["method"], row["words"] or 0, row["kind"]): row for row in rows}
    heads = "".join(f"{f'{length} words' if length else 'whole text':>14}" for length in lengths)
    for method in methods:
        for negatives in NEGATIVES:
            if not any(negatives in row["at"] for row in rows):
                continue
            yield f"\n{method}, recall with the right record at 1 % / 0.1 % of {negatives}"
            yield f"  {'edit':<22}{heads}"
            for kind in (kind for kind in kinds if kind not in NEGATIVES or kind == negatives):
                cells = [by_key.get((method, length, kind)) for length in lengths]
                name = f"{negatives}, other half" if kind == negatives else kind
                yield f"  {name:<22}{''.join(_pair(cell, negatives) for cell in cells)}"
        yield f"\n{method}, best record is the right one"
        yield f"  {'edit':<22}{heads}"
        for kind in (kind for kind in kinds if kind not in NEGATIVES):
            cells = [by_key.get((method, length, kind)) for length in lengths]
            yield f"  {kind:<22}{''.join(map(_top1, cells))}"
        if any("verdicts" in row for row in rows if row["method"] == method):
            yield f"\n{method}, verdicts: exact / excerpt / edited / reworded, in % of the texts"
            yield f"  {'kind':<22}" + "".join(
                f"{f'{length} words' if length else 'whole text':>22}" for length in lengths
            )
            for kind in kinds:
                cells = [by_key.get((method, length, kind)) for length in lengths]
                yield f"  {kind:<22}{''.join(f'{_verdicts(cell):>22}' for cell in cells)}"


def _top1(row: dict[str, Any] | None) -> str:
    return f"{'-':>14}" if row is None else f"{row['top1']:>14.3f}"


def _pair(row: dict[str, Any] | None, negatives: str) -> str:
    if row is None or negatives not in row["at"] or not row["texts"]:
        return f"{'-':>14}"
    at = row["at"][negatives]
    return f"{'/'.join(f'{at[str(rate)]:.3f}' for rate in RATES):>14}"


def _verdicts(row: dict[str, Any] | None) -> str:
    if row is None or "verdicts" not in row:
        return "-"
    return "/".join(f"{row['verdicts'][name] * 100:.1f}" for name in _VERDICTS[:4])
