"""Sampling parameters in exact integers; what they mean is in SPEC.md, "Sampler"."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from inference.errors import SamplingError

MICRO = 1_000_000
STOPS_MAX = 4
STOP_CHARS_MAX = 64
BIASES_MAX = 300
BIAS_MICRO_MAX = 100 * MICRO
ID_MAX = (1 << 20) - 1

# Inclusive ranges of the integer parameters.
RANGES: dict[str, tuple[int, int]] = {
    "temperature_micro": (0, 100 * MICRO),
    "top_k": (0, 1 << 20),
    "top_p_micro": (1, MICRO),
    "min_p_micro": (0, MICRO),
    "repetition_micro": (MICRO // 100, 10 * MICRO),
    "frequency_micro": (-2 * MICRO, 2 * MICRO),
    "presence_micro": (-2 * MICRO, 2 * MICRO),
    "seed": (0, (1 << 63) - 1),
    "max_tokens": (1, 1 << 20),
}
# What a caller gives for these is a decimal number; RANGES holds its millionths.
_GIVEN_AS: dict[str, tuple[str, str]] = {
    "temperature_micro": ("temperature", "from 0 to 100"),
    "top_p_micro": ("top_p", "above 0 and at most 1"),
    "min_p_micro": ("min_p", "from 0 to 1"),
    "repetition_micro": ("repetition_penalty", "from 0.01 to 10"),
    "frequency_micro": ("frequency_penalty", "from -2 to 2"),
    "presence_micro": ("presence_penalty", "from -2 to 2"),
}
_SIGNED = ("frequency_penalty", "presence_penalty", "logit_bias")  # others are never negative
_DECIMAL = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6})0*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How tokens are drawn and when a run ends. Raises SamplingError, whose `parameter` is the field's name."""

    temperature_micro: int = 0  # temperature in millionths; 0 takes the most likely token, whatever the seed
    top_k: int = 0  # draw among so many most likely tokens; 0 for all
    top_p_micro: int = MICRO  # draw among the most likely tokens that hold this share, in millionths
    min_p_micro: int = 0  # draw among tokens at least this share as likely as the likeliest; 0 for all
    repetition_micro: int = MICRO  # divides the logits of tokens in prompt and output (multiplies negative ones)
    frequency_micro: int = 0  # taken off the logit of a token for each time that it is in the output
    presence_micro: int = 0  # taken off the logit of every token that is in the output
    seed: int = 0
    max_tokens: int = 128  # sampled ids, a final EOS included
    stop: tuple[str, ...] = ()  # the output ends before the first of these
    logit_bias: tuple[tuple[int, int], ...] = ()  # (token id, millionths added to its logit); ids rise

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise SamplingError("out_of_range", _outside(name, value), name)
        _check_stop(self.stop)
        _check_bias(self.logit_bias)


def micro(text: str, parameter: str) -> int:
    """Millionths of a plain decimal number, exactly: "0.8" is 800,000, and "-0.5", where the parameter may be negative,
    is -500,000.

    Raises SamplingError `out_of_range` for a minus sign elsewhere, and `not_decimal` for anything else: a plus sign,
    exponents, NaN, infinities, or more than six decimals that are not zero. The range of the parameter is checked by
    SamplingParams.
    """
    negative = text.startswith("-")
    match = _DECIMAL.fullmatch(text, negative)
    if match is None:
        raise SamplingError(
            "not_decimal",
            f"{parameter} is {_shown(text)}, must be a decimal number with at most six decimals, such as 0.8",
            parameter,
        )
    if negative and parameter not in _SIGNED:
        raise SamplingError("out_of_range", f"{parameter} is {text[:40]}, must not be negative", parameter)
    whole, fraction = match.groups()
    value = int(whole) * MICRO + int((fraction or "").ljust(6, "0"))
    return -value if negative else value


def parse_logit_bias(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[int, int], ...]:
    """Token ids and decimal numbers, in any order, as SamplingParams takes them.

    Raises SamplingError: `not_an_id`, `repeated_id`, or as `micro`.
    """
    bias: dict[int, int] = {}
    for id_text, value in pairs:
        if not re.fullmatch("[0-9]{1,7}", id_text, re.ASCII):
            raise SamplingError("not_an_id", f"logit_bias has {_shown(id_text)}, which is no token id", "logit_bias")
        id = int(id_text)
        if id in bias:
            raise SamplingError("repeated_id", f"logit_bias has token id {id} twice", "logit_bias")
        bias[id] = micro(value, "logit_bias")
    return tuple(sorted(bias.items()))


def _check_stop(stop: object) -> None:
    if type(stop) is not tuple or len(stop) > STOPS_MAX:
        raise SamplingError("out_of_range", f"stop must be at most {STOPS_MAX} texts", "stop")
    for text in stop:
        if type(text) is not str or not 0 < len(text) <= STOP_CHARS_MAX or not _is_unicode(text):
            raise SamplingError("out_of_range", f"a stop text must have 1 to {STOP_CHARS_MAX} valid characters", "stop")


def _check_bias(bias: object) -> None:
    """One form: ids rise, so that equal biases are equal tuples."""
    if type(bias) is not tuple or len(bias) > BIASES_MAX:
        raise SamplingError("out_of_range", f"logit_bias must be at most {BIASES_MAX} tokens", "logit_bias")
    before = -1
    for pair in bias:
        if type(pair) is not tuple or len(pair) != 2 or type(pair[0]) is not int or type(pair[1]) is not int:
            raise SamplingError("out_of_range", "logit_bias must be pairs of token id and millionths", "logit_bias")
        if not before < pair[0] <= ID_MAX:
            raise SamplingError("out_of_range", f"ids of logit_bias must rise and be at most {ID_MAX}", "logit_bias")
        if not -BIAS_MICRO_MAX <= pair[1] <= BIAS_MICRO_MAX:
            raise SamplingError(
                "out_of_range", f"the logit_bias of token id {pair[0]} must be from -100 to 100", "logit_bias"
            )
        before = pair[0]


def _outside(name: str, value: object) -> str:
    """What is wrong with a parameter, in the units in which it is given."""
    if name in _GIVEN_AS and type(value) is int and abs(value) < 1000 * RANGES[name][1]:
        given, bounds = _GIVEN_AS[name]
        whole, fraction = divmod(abs(value), MICRO)
        shown = "-" * (value < 0) + f"{whole}.{fraction:06}".rstrip("0").rstrip(".")
        return f"{given} is {shown}, must be {bounds}"
    low, high = RANGES[name]
    return f"{name} is {_shown(value)}, must be an integer from {low} to {high}"


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."
