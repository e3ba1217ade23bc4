"""`rail bench thresholds`: from what resemblance on a text is called edited or reworded, by one half of the rows."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from web.cli.bench_facts import facts_of_run, say_facts
from web.cli.bench_sets import data_option, sets_in
from web.cli.options import json_option, option
from web.cli.output import Exit, emit_json, progress, say, verdict_line


@click.command()
@data_option
@option(
    "--limit",
    type=click.IntRange(25, 100_000),
    default=200,
    show_default=True,
    help="Outputs of each length, at most; four times as many texts of each class of negatives.",
)
@json_option
def thresholds(folder: Path, limit: int, as_json: bool) -> int:
    """Fit the thresholds of `edited` and `reworded` on the half of the rows that `rail bench matching` does not report.

    The other half is not looked at: neither its texts nor its registered outputs. For each length, `reworded` is the
    least score that at most 1 % of human texts reach (of each of N1, N2, N5), `edited` the least aligned share that at
    most 1 % of other answers to the same prompt reach (of each of N3, N4). Beside them, how many texts are excerpts.
    """
    from ledger.index.calibration import POINTS
    from web.bench.matching import fit
    from web.bench.matching.methods import OurIndex

    read = sets_in(folder, fitted_only=True)
    with tempfile.TemporaryDirectory() as temporary:
        ours = OurIndex(read.records, f"sqlite:///{temporary}/index.db")
        with progress("looking texts up") as advance:
            rows = fit.measure(read, ours.find, limit, advance)
        ours.close()
    points = fit.points(rows)
    used = list(POINTS) == points
    facts = facts_of_run() | {"records": len(read.records), "limit": limit}
    if as_json:
        found = {"points": [point._asdict() for point in points], "used": used, "rows": [asdict(row) for row in rows]}
        emit_json({"verdict": "fitted", **facts, **found})
        return Exit.OK
    say_facts(facts)
    say(f"\n{'words':>6}  {'kind':<6}{'texts':>7}{'verbatim':>10}{'score':>8}{'aligned':>9}")
    for row in rows:
        score, aligned = ("-" if number is None else number for number in (row.score, row.aligned))
        say(f"{row.words or 'whole':>6}  {row.kind:<6}{row.texts:>7}{row.verbatim:>10.2%}{score:>8}{aligned:>9}")
    say(f"\n{'words':>6}{'reworded':>10}{'edited':>8}")
    for point in points:
        say(f"{point.words:>6}{point.reworded:>10}{point.edited:>8}")
    verdict_line("fitted", "these are the numbers in use" if used else "other numbers are in use", Exit.OK)
    return Exit.OK
