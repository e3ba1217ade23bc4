"""`rail bench matching`: recall of matching at fixed false-positive rates, on a folder of evaluation sets."""

import tempfile
from pathlib import Path
from typing import Any

import click

from web.cli.bench_facts import facts_of_run, say_facts
from web.cli.bench_sets import data_option, sets_in
from web.cli.options import json_option, option
from web.cli.output import Exit, emit_json, progress, say, verdict_line


@click.command()
@data_option
@option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Texts of each edit and length, at most; four times as many of each class of negatives.",
)
@option(
    "--words",
    "lengths",
    type=click.IntRange(0, 100_000),
    multiple=True,
    default=(25, 50, 100, 200, 0),
    show_default=True,
    help="Lengths to cut the texts to, 0 for whole; may be given several times.",
)
@option(
    "--only",
    "only",
    type=click.Choice(["rail", "bm25", "peers"]),
    multiple=True,
    default=("rail", "bm25", "peers"),
    help="Methods; may be given several times. [default: all]",
)
@option(
    "--database",
    metavar="URL",
    help="An empty database for the index. [default: SQLite in a temporary folder]",
)
@option(
    "--plots",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also draw recall by length, as SVG files in this folder.",
)
@json_option
def matching(
    folder: Path,
    limit: int,
    lengths: tuple[int, ...],
    only: tuple[str, ...],
    database: str | None,
    plots: Path | None,
    as_json: bool,
) -> int:
    """Recall at 1 % and 0.1 % false positives by edit, length and class of negatives (N1 to N5).

    N1 unrelated human texts, N2 human texts on the same topic, N3 another model with the same prompt, N4 the same
    model run again, N5 the human source of a machine-edited text. Thresholds are fitted on one half of the rows and
    reported on the other, as are verdicts. Beside it plain retrieval (BM25), and c2pa-text-binding and iscc-core where
    installed. Then two tables more: outputs in disguise (invisible characters, look-alikes, markup), and passages in
    human texts.
    """
    from web.bench.matching import cells, disguises, mixed, report
    from web.bench.matching.methods import Method, OurIndex, PlainRetrieval
    from web.bench.matching.peers import installed_peers
    from web.bench.matching.plots import write_plots

    read = sets_in(folder)
    with tempfile.TemporaryDirectory() as temporary:
        ours = OurIndex(read.records, database or f"sqlite:///{temporary}/index.db") if "rail" in only else None
        methods: list[Method] = [] if ours is None else [ours]
        if "bm25" in only:
            methods.append(PlainRetrieval(read.records))
        peers, missing = installed_peers(read.records) if "peers" in only else ([], [])
        methods += peers
        with progress("looking texts up") as advance:
            measured = cells.fill(read, methods, limit, lengths, advance)
        in_disguise = disguises.measure(read.records, methods, report.thresholds(measured), limit)
        in_mixture: list[dict[str, Any]] = []
        if ours is not None:
            humans = read.negatives["N1"] + read.negatives["N2"]
            in_mixture = mixed.measure(ours, read.records, humans, limit)
            ours.close()
    rows = report.facts(measured)
    drawn = (
        []
        if plots is None
        else [path for method in methods for path in write_plots(rows, lengths, method.name, report.RATES[0], plots)]
    )
    facts = facts_of_run() | {
        "records": len(read.records),
        "limit": limit,
        "left_out": read.registered,
        "not_installed": missing,
    }
    if as_json:
        tables = {"rows": rows, "disguises": in_disguise, "mixed": in_mixture}
        emit_json({"verdict": "measured", **facts, **tables, "plots": [str(path) for path in drawn]})
        return Exit.OK
    say_facts(facts)
    for line in report.lines(rows, lengths):
        say(line)
    for line in report.more_lines(in_disguise, in_mixture):
        say(line)
    say("\nnegatives left out, as they are word for word a registered output:")
    say("  " + ", ".join(f"{name} {count}" for name, count in read.registered.items()))
    for path in drawn:
        say(f"  drawn: {path}")
    for package in missing:
        say(f"\n  left out: {package} is not installed (pip install {package})")
    about = f"{len(read.records):,} records, {sum(row['texts'] for row in rows):,} answers of the reported half"
    verdict_line("measured", about, Exit.OK)
    return Exit.OK
