"""Sampling parameters: exact decimals, and every bound from both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import SamplingError
from inference.sampling import RANGES, SamplingParams, micro


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0.8", 800_000),
        ("1", 1_000_000),
        ("1.0", 1_000_000),
        ("0.000001", 1),
        ("100.000000", 100000000),
        ("0.1", 100000),
        ("0.3", 300000),
        ("0.7000000000", 700000),
        ("00.5", 500000),
    ],
)
def test_decimals_are_exact(text: str, value: int) -> None:
    assert micro(text, "temperature") == value


@given(st.integers(0, 999_999_999_999))
def test_micro_inverts_printing(value: int) -> None:
    assert micro(f"{value // 1_000_000}.{value % 1_000_000:06}", "temperature") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "-1",
        "+1",
        "1e3",
        "1.",
        ".5",
        " 1",
        "1 ",
        "1\n",
        "0x1",
        "1_0",
        "1,5",
        "0.0000001",
        "٣",
        "1" * 7,
        "0." + "1" * 100000,
        "½",
    ],
    ids=lambda text: ascii(text)[:20],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(SamplingError) as caught:
        micro(text, "temperature")
    code = "out_of_range" if text == "-1" else "not_decimal"
    assert (caught.value.code, caught.value.parameter) == (code, "temperature")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", RANGES)
def test_bounds(name: str) -> None:
    low, high = RANGES[name]
    for value in (low, high):
        assert getattr(SamplingParams(**{name: value}), name) == value
    for wrong in (low - 1, high + 1, 1 << 200, True, None, "1", float("nan")):
        with pytest.raises(SamplingError) as caught:
            SamplingParams(**{name: wrong})
        assert (caught.value.code, caught.value.parameter) == ("out_of_range", name)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("top_p_micro", 0, "top_p is 0, must be above 0 and at most 1"),
        ("top_p_micro", 1_500_000, "top_p is 1.5, must be above 0 and at most 1"),
        ("temperature_micro", 101_000_000, "temperature is 101, must be from 0 to 100"),
    ],
)
def test_a_range_is_said_in_the_units_of_the_caller(name: str, value: int, message: str) -> None:
    with pytest.raises(SamplingError) as caught:
        SamplingParams(**{name: value})
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["-1", "-0.1", "-100.000001"])
def test_a_negative_number_is_called_that(text: str) -> None:
    with pytest.raises(SamplingError) as caught:
        micro(text, "temperature")
    assert str(caught.value) == f"temperature is {text}, must not be negative"


@pytest.mark.parametrize("stop", [("",), ("x" * 65,), ("a", "b", "c", "d", "e"), ["a"], ("\ud800",), (b"a",), "a"])
def test_stop_texts_that_are_refused(stop: object) -> None:
    with pytest.raises(SamplingError) as caught:
        SamplingParams(stop=stop)
    assert caught.value.parameter == "stop"
