"""Sampling parameters: exact decimals, and every bound from both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import SamplingError
from inference.sampling import ID_MAX, RANGES, SamplingParams, micro, parse_logit_bias


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
        ("min_p_micro", 1_000_001, "min_p is 1.000001, must be from 0 to 1"),
        ("repetition_micro", 0, "repetition_penalty is 0, must be from 0.01 to 10"),
        ("frequency_micro", -2_500_000, "frequency_penalty is -2.5, must be from -2 to 2"),
        ("presence_micro", 3_000_000, "presence_penalty is 3, must be from -2 to 2"),
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


@given(st.integers(-999_999_999_999, 999_999_999_999))
def test_signed_parameters_take_a_minus_sign(value: int) -> None:
    text = f"{'-' * (value < 0)}{abs(value) // 1_000_000}.{abs(value) % 1_000_000:06}"
    for parameter in ("frequency_penalty", "presence_penalty", "logit_bias"):
        assert micro(text, parameter) == value


@pytest.mark.parametrize("text", ["-", "--1", "-+1", "- 1", "-.5", "-1e3", "\u22121", "-nan"])
def test_a_minus_sign_needs_a_number(text: str) -> None:
    with pytest.raises(SamplingError) as caught:
        micro(text, "presence_penalty")
    assert caught.value.code == "not_decimal"


def test_minus_zero_is_zero() -> None:
    assert micro("-0.0", "presence_penalty") == 0


def test_a_bias_in_any_order_has_one_form() -> None:
    pairs = [("70", "-100"), ("3", "0.000001"), ("007", "100")]
    expected = ((3, 1), (7, 100_000_000), (70, -100_000_000))
    assert parse_logit_bias(pairs) == parse_logit_bias(reversed(pairs)) == expected
    assert SamplingParams(logit_bias=expected).logit_bias == expected


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("1", "1"), ("01", "2")], "repeated_id"),
        ([("-1", "1")], "not_an_id"),
        ([("a", "1")], "not_an_id"),
        ([("1.0", "1")], "not_an_id"),
        ([("\u0663", "1")], "not_an_id"),
        ([("", "1")], "not_an_id"),
        ([("12345678", "1")], "not_an_id"),
        ([("1", "1e2")], "not_decimal"),
        ([("1", "nan")], "not_decimal"),
    ],
)
def test_biases_that_do_not_parse(pairs: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(SamplingError) as caught:
        parse_logit_bias(pairs)
    assert (caught.value.code, caught.value.parameter) == (code, "logit_bias")


@pytest.mark.parametrize(
    "bias",
    [
        [(1, 1)],
        {1: 1},
        ((1, 1), (1, 1)),
        ((2, 1), (1, 1)),
        ((-1, 1),),
        ((ID_MAX + 1, 1),),
        ((1, 100_000_001),),
        ((1, -100_000_001),),
        ((1, 0.5),),
        ((1, True),),
        ((1,),),
        ((1, 2, 3),),
        tuple((id, 1) for id in range(301)),
    ],
)
def test_biases_that_are_refused(bias: object) -> None:
    with pytest.raises(SamplingError) as caught:
        SamplingParams(logit_bias=bias)
    assert (caught.value.code, caught.value.parameter) == ("out_of_range", "logit_bias")


def test_bounds_of_a_bias() -> None:
    bias = ((0, -100_000_000), *((id, 100_000_000) for id in range(1, 299)), (ID_MAX, 0))
    assert SamplingParams(logit_bias=bias).logit_bias == bias
