"""The evaluation sets that the benches of matching read: their option, and what is said of a folder that has none."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.options import option
from web.cli.output import CommandError

if TYPE_CHECKING:
    from web.bench.matching.sets import Sets

data_option = option(
    "--data",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of evaluation sets, .jsonl or .jsonl.gz; web/bench/matching/sets.py has the format.",
)


def sets_in(folder: Path, fitted_only: bool = False) -> "Sets":
    """The sets, or of their rows the fitted half only. CommandError `bad_data`."""
    from web.bench.matching.sets import BadSetError, read_sets

    try:
        return read_sets(folder, fitted_only)
    except BadSetError as error:
        raise CommandError("bad_data", str(error), "--help names the format") from error
