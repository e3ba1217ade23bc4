"""Sampling parameters in exact integers; what they mean is in SPEC.md, "Sampler"."""

import re
from dataclasses import dataclass

from inference.errors import SamplingError

MICRO = 1_000_000
STOPS_MAX = 4
STOP_CHARS_MAX = 64

# Inclusive ranges of the integer parameters.
RANGES: dict[str, tuple[int, int]] = {
    "temperature_micro": (0, 100 * MICRO),
    "top_k": (0, 1 << 20),
    "top_p_micro": (1, MICRO),
    "seed": (0, (1 << 63) - 1),
    "max_tokens": (1, 1 << 20),
}
# What a caller gives for these is a decimal number; RANGES holds its millionths.
_GIVEN_AS: dict[str, tuple[str, str]] = {
    "temperature_micro": ("temperature", "from 0 to 100"),
    "top_p_micro": ("top_p", "above 0 and at most 1"),
}
_DECIMAL = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6})0*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are drawn and when a run ends. Raises SamplingError, whose `parameter` is the field's name."""

    temperature_micro: int = 0  # temperature in millionths; 0 takes the most likely token, whatever the seed
    top_k: int = 0  # draw among so many most likely tokens; 0 for all
    top_p_micro: int = MICRO  # draw among the most likely tokens that hold this share, in millionths
    seed: int = 0
    max_tokens: int = 128  # sampled ids, a final EOS included
    stop: tuple[str, ...] = ()  # the output ends before the first of these

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise SamplingError("out_of_range", _outside(name, value), name)
        if type(self.stop) is not tuple or len(self.stop) > STOPS_MAX:
            raise SamplingError("out_of_range", f"stop must be at most {STOPS_MAX} texts", "stop")
        for text in self.stop:
            if type(text) is not str or not 0 < len(text) <= STOP_CHARS_MAX or not _is_unicode(text):
                raise SamplingError(
                    "out_of_range", f"a stop text must have 1 to {STOP_CHARS_MAX} valid characters", "stop"
                )


def micro(text: str, parameter: str) -> int:
    """Millionths of a plain decimal number, exactly: "0.8" is 800,000.

    Raises SamplingError `out_of_range` for a number with a minus sign, and `not_decimal` for anything else: a plus
    sign, exponents, NaN, infinities, or more than six decimals that are not zero. The range of the parameter is
    checked by SamplingParams.
    """
    if text.startswith("-") and _DECIMAL.fullmatch(text, 1):
        raise SamplingError("out_of_range", f"{parameter} is {text[:40]}, must not be negative", parameter)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise SamplingError(
            "not_decimal",
            f"{parameter} is {_shown(text)}, must be a decimal number with at most six decimals, such as 0.8",
            parameter,
        )
    whole, fraction = match.groups()
    return int(whole) * MICRO + int((fraction or "").ljust(6, "0"))


def _outside(name: str, value: object) -> str:
    """What is wrong with a parameter, in the units in which it is given."""
    if name in _GIVEN_AS and type(value) is int and 0 <= value < 1000 * RANGES[name][1]:
        given, bounds = _GIVEN_AS[name]
        whole, fraction = divmod(value, MICRO)
        shown = f"{whole}.{fraction:06}".rstrip("0").rstrip(".")
        return f"{given} is {shown}, must be {bounds}"
    low, high = RANGES[name]
    return f"{name} is {_shown(value)}, must be an integer from {low} to {high}"


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."
