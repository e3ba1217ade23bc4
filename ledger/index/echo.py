"""How much of a text its prompt already contained. SPEC.md section 7."""

import numpy as np

from ledger.compiled.matching import echo_of as echo_of_units
from ledger.index.rules import CHECKED_WEIGHT_MAX
from ledger.index.text import Text


def echoed_units(text: Text, prompt: Text) -> bytearray:
    """1 for each unit of `text` that stands in a shingle (5 words) which the prompt has too, else 0."""
    return _echo(text, prompt)[0]


def _echo(text: Text, prompt: Text) -> tuple[bytearray, int]:
    """The units that echo, and their weight."""
    shingles = text.shingles
    known = np.sort(prompt.shingles.hash_column)
    return echo_of_units(shingles.hash_column, shingles.end_column, known, text.units.columns.totals)


def echo_permille(prompt_text: str, output_text: str) -> int:
    """Thousandths of the output, by weight and rounded down, that stand in runs of 5 or more words of the prompt.

    Measured on the first 20,000 words of the output. ParseError `text_surrogate` for lone surrogates.
    """
    return _echo_of(Text(output_text, CHECKED_WEIGHT_MAX, as_written=True), Text(prompt_text, as_written=True))


def echo_of(output: Text, prompt: Text) -> int:
    """`echo_permille` of two texts; units that they were cut into are used again where they are of the texts as is."""
    if output.is_plain and prompt.is_plain and output.units.total <= CHECKED_WEIGHT_MAX:
        return _echo_of(output, prompt)
    return echo_permille(prompt.original, output.original)


def _echo_of(output: Text, prompt: Text) -> int:
    total = output.units.total
    return _echo(output, prompt)[1] * 1000 // total if total else 0
