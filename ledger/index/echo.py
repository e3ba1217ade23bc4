"""How much of a text its prompt already contained. SPEC.md section 7."""

from ledger.index.rules import CHECKED_WEIGHT_MAX
from ledger.index.text import Text


def echoed_units(text: Text, prompt: Text) -> bytearray:
    """1 for each unit of `text` that stands in a shingle (5 words) which the prompt has too, else 0."""
    echoed = bytearray(len(text.units))
    known = set(prompt.shingles.hashes).intersection(text.shingles.hashes)
    if not known:
        return echoed
    for start, (value, end) in enumerate(zip(text.shingles.hashes, text.shingles.ends, strict=True)):
        if value in known:
            echoed[start:end] = b"\1" * (end - start)
    return echoed


def echo_permille(prompt_text: str, output_text: str) -> int:
    """Thousandths of the output, by weight and rounded down, that stand in runs of 5 or more words of the prompt.

    Measured on the first 20,000 words of the output. ParseError `text_surrogate` for lone surrogates.
    """
    return _echo_of(Text(output_text, CHECKED_WEIGHT_MAX, as_written=True), Text(prompt_text, as_written=True))


def echo_of(output: Text, prompt: Text) -> int:
    """`echo_permille` of two texts; units that they were cut into are used again where they are of the texts as is."""
    if output.is_plain and prompt.is_plain and output.units.totals[-1] <= CHECKED_WEIGHT_MAX:
        return _echo_of(output, prompt)
    return echo_permille(prompt.original, output.original)


def _echo_of(output: Text, prompt: Text) -> int:
    units = output.units
    if not units.totals[-1]:
        return 0
    echoed = echoed_units(output, prompt)
    weight = sum(units.weight(i, i + 1) for i, echoes in enumerate(echoed) if echoes)
    return weight * 1000 // units.totals[-1]
