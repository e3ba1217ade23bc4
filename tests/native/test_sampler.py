"""The sampler against the reference in plain Python: every kernel set, every parameter, histories and extremes."""

import os
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import native
from inference import reference_sampler as reference
from inference.reference_sampler import Draw
from native.sampler import BIAS_MICRO_MAX, RANGES, Sampler, Sampling, random_u64

MICRO = 1_000_000
INT32_LIMIT = 2**31 - 1
KERNELS = native.backends()
VARIANT = "RAIL_TEST_VARIANT" in os.environ  # sanitizers make Python itself slow; sizes are the same, cases fewer


def sampler(draw: Draw, vocab: int, kernels: str | None = None) -> Sampler:
    values = {field.name: getattr(draw, field.name) for field in fields(Draw) if field.name != "logit_bias"}
    return Sampler(Sampling(**values, logit_bias=tuple(sorted(draw.logit_bias.items()))), vocab, kernels)


def check(logits: np.ndarray, draw: Draw, position: int, prompt: list[int], output: list[int]) -> None:
    """Weights and token of every kernel set are those of the reference, and the logits stay as they were."""
    values, before = logits.tolist(), logits.copy()
    weights = reference.distribution(values, draw, prompt, output)
    token = reference.pick(weights, draw.seed, position)
    assert token in weights
    for kernels in KERNELS:
        drawn = sampler(draw, len(values), kernels)
        drawn.see(prompt, output=False)
        for begin in range(0, len(output), 3):
            drawn.see(output[begin : begin + 3], output=True)
        found = drawn.weights(logits)
        assert {id: int(found[id]) for id in np.flatnonzero(found).tolist()} == weights, kernels
        assert drawn.sample(logits, position) == token, kernels
        assert drawn.sample(logits, position) == token, kernels
    assert np.array_equal(logits, before)


@st.composite
def logit_vectors(draw: st.DrawFn) -> np.ndarray:
    """Every shape that matters: ties, one peak, nothing but extremes; around the sizes of a vector and a tile."""
    size = draw(st.sampled_from([1, 2, 3, 15, 16, 17, 31, 33, 255, 256, 257, 300, 511, 513, 700, 1023]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["equal", "levels", "narrow", "normal", "wide", "extreme", "peak", "rising"]))
    if kind == "equal":
        return np.full(size, draw(st.sampled_from([-INT32_LIMIT - 1, -INT32_LIMIT, -1, 0, 7, INT32_LIMIT])), np.int32)
    if kind == "levels":
        return rng.choice(rng.integers(-(2**18), 2**18, 4), size).astype(np.int32)
    if kind == "narrow":
        return rng.integers(-3, 4, size).astype(np.int32)
    if kind == "extreme":
        return rng.choice(np.array([-INT32_LIMIT - 1, -INT32_LIMIT, 0, INT32_LIMIT - 1, INT32_LIMIT]), size).astype(
            np.int32
        )
    if kind == "wide":
        return rng.integers(-INT32_LIMIT, INT32_LIMIT + 1, size).astype(np.int32)
    logits = (rng.normal(0, 3, size) * 65536).astype(np.int32)
    if kind == "peak":
        logits[rng.integers(0, size)] += 12 * 65536
    return np.sort(logits) if kind == "rising" else logits


temperatures = st.one_of(
    st.sampled_from([0, 1, 2, 999, 45_000, 700_000, MICRO, 3_500_000, 100_000_000]), st.integers(1, 100_000_000)
)


@st.composite
def draws(draw: st.DrawFn, vocab: int) -> Draw:
    """Parameters, each off about half of the time."""

    def maybe(off: int, *values: int, low: int, high: int) -> int:
        return draw(st.one_of(st.just(off), st.sampled_from([*values, low, high]), st.integers(low, high)))

    signed = {"low": -2 * MICRO, "high": 2 * MICRO}
    return Draw(
        temperature_micro=draw(temperatures),
        top_k=maybe(0, 1, 2, 40, vocab, low=1, high=2 * vocab),
        top_p_micro=maybe(MICRO, 1, 500_000, 900_000, 999_999, low=1, high=MICRO),
        min_p_micro=maybe(0, 1, 50_000, low=1, high=MICRO),
        repetition_micro=maybe(MICRO, 1_100_000, low=10_000, high=10_000_000),
        frequency_micro=maybe(0, 1, -1, **signed),
        presence_micro=maybe(0, 333_333, **signed),
        seed=draw(st.integers(0, 2**64 - 1)),
        logit_bias=draw(
            st.dictionaries(st.integers(0, vocab - 1), st.integers(-BIAS_MICRO_MAX, BIAS_MICRO_MAX), max_size=5)
        ),
    )


@settings(deadline=None, max_examples=40 if VARIANT else 400)
@given(st.data())
def test_every_kernel_set_draws_as_the_reference(data: st.DataObject) -> None:
    logits = data.draw(logit_vectors())
    ids = st.lists(st.integers(0, len(logits) - 1), max_size=12)
    draw = data.draw(draws(len(logits)))
    check(logits, draw, data.draw(st.integers(0, 2**64 - 1)), data.draw(ids), data.draw(ids))


@pytest.mark.parametrize("vocab", [4_097, 20_001] if VARIANT else [4_097, 130_001])
@pytest.mark.parametrize(
    "draw",
    [
        Draw(800_000),
        Draw(800_000, top_k=40, top_p_micro=950_000),
        Draw(1_500_000, top_k=5_000),
        Draw(MICRO, top_p_micro=900_000),
        Draw(700_000, min_p_micro=20_000),
        Draw(
            MICRO, 3_000, 990_000, 1_000, 1_200_000, 300_000, -200_000, 5, {7: BIAS_MICRO_MAX, 4_000: -BIAS_MICRO_MAX}
        ),
    ],
)
@pytest.mark.parametrize("shape", ["flat", "coarse"] if VARIANT else ["flat", "peaked", "equal", "coarse"])
def test_large_vocabularies(vocab: int, draw: Draw, shape: str) -> None:
    rng = np.random.default_rng([vocab, draw.top_k])
    logits = (rng.normal(0, {"flat": 0.7, "peaked": 3, "equal": 0, "coarse": 2}[shape], vocab) * 65536).astype(np.int32)
    if shape == "coarse":
        logits = logits & ~0xFFF  # many ties, also where the order is cut
    check(logits, draw, 17, [1, 2, 3, 4_000], [7, 7, 9])


def test_philox_known_answers() -> None:
    """The published all-zero vector of Random123 for philox4x32-10; other keys against the definition."""
    assert random_u64(0, 0) == 0xE169C58D6627E8D5
    for seed, counter in [(0, 0), (2**64 - 1, 2**64 - 1), (0x299F31D0A4093822, 0x85A308D3243F6A88), (7, 1)]:
        assert random_u64(seed, counter) == reference.philox(seed, counter)


@pytest.mark.parametrize("temperature", [1, 7, 1_000, 300_000, MICRO, 2_345_678, 100_000_000])
def test_the_curve_never_rises(temperature: int) -> None:
    """The order of tokens is cut by logits alone, which needs weights that never rise with the distance."""
    far = 2 * 31 * temperature * 65536 // MICRO + 3
    step = max(1, far // 40_000)
    weights = [reference.weight(distance, temperature) for distance in range(0, far, step)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == reference.weight(0, MICRO) < 2**30
    assert weights[-1] == 0


def test_the_curve_is_monotone_and_exact_at_every_point() -> None:
    """All 2^19 points of an octave, at the temperature that makes one unit of distance one unit of exponent: they
    never rise, stay in (2^29, 2^30), meet the next octave, and are 2^-x to 6e-6."""
    temperature = (reference.LOG2E_Q35 * MICRO) >> 32
    assert 2**32 <= reference.LOG2E_Q35 * MICRO // temperature < 2**32 + 2**13
    logits = -np.arange(1 << 19, dtype=np.int32)
    weights = sampler(Draw(temperature), 1 << 19).weights(logits).astype(np.int64)
    for distance in (0, 1, 65535, 65536, 65537, (1 << 19) - 1):
        assert weights[distance] == reference.weight(distance, temperature)
    assert (np.diff(weights) <= 0).all()
    assert weights[-1] > 2**29 and weights[0] < 2**30 and weights[0] >> 1 <= weights[-1]
    ratio = weights / 2.0 ** (30 - np.arange(1 << 19) / 2**19)
    assert np.abs(ratio / ratio.mean() - 1).max() < 6e-6


@pytest.mark.parametrize("kernels", KERNELS)
def test_ties_go_to_the_lowest_id(kernels: str) -> None:
    logits = np.array([3, 9, 9, 9, 1], dtype=np.int32)
    assert sampler(Draw(), 5, kernels).sample(logits, 0) == 1
    found = sampler(Draw(MICRO, top_k=2), 5, kernels).weights(logits)
    assert np.flatnonzero(found).tolist() == [1, 2]


def test_a_draw_depends_on_seed_and_position_alone() -> None:
    logits = np.zeros(1000, dtype=np.int32)
    one = sampler(Draw(MICRO, seed=5), 1000)
    tokens = [one.sample(logits, position) for position in range(50)]
    assert len(set(tokens)) > 30
    assert [one.sample(logits, position) for position in reversed(range(50))] == tokens[::-1]
    assert sampler(Draw(MICRO, seed=6), 1000).sample(logits, 0) != tokens[0]


def test_a_bias_on_everything_changes_nothing() -> None:
    logits = np.array([1 << 16, 2 << 16, 0, -(5 << 16)], dtype=np.int32)
    plain = sampler(Draw(MICRO), 4).weights(logits)
    banned = sampler(Draw(MICRO, logit_bias=dict.fromkeys(range(4), -BIAS_MICRO_MAX)), 4).weights(logits)
    assert np.array_equal(plain, banned)


def test_penalties_act_on_their_part_of_the_sequence() -> None:
    """Repetition on prompt and output; frequency and presence on the output alone, once or for each time."""
    logits = np.full(4, 1 << 16, dtype=np.int32)

    def after(**penalty: int) -> list[int]:
        return reference.adjusted(logits.tolist(), Draw(**penalty), [0, 0], [1, 1, 2])

    assert after(repetition_micro=2_000_000) == [1 << 15, 1 << 15, 1 << 15, 1 << 16]
    assert after(frequency_micro=500_000) == [1 << 16, 0, 1 << 15, 1 << 16]
    assert after(presence_micro=500_000) == [1 << 16, 1 << 15, 1 << 15, 1 << 16]
    check(logits, Draw(MICRO, repetition_micro=1_300_000, presence_micro=-5), 3, [0, 0], [1, 1, 2])


@pytest.mark.parametrize("name", RANGES)
def test_parameters_out_of_range_are_refused(name: str) -> None:
    low, high = RANGES[name]
    for value in (low, high):
        Sampler(Sampling(**{name: value}), 10)
    for value in (low - 1, high + 1):
        with pytest.raises(native.KernelError, match=name):
            Sampling(**{name: value})


@pytest.mark.parametrize(
    "bias", [((3, 1), (3, 2)), ((4, 1), (3, 1)), ((3, BIAS_MICRO_MAX + 1),), ((3, -BIAS_MICRO_MAX - 1),)]
)
def test_bias_out_of_order_or_range_is_refused(bias: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(native.KernelError, match="logit_bias"):
        Sampling(logit_bias=bias)


def test_arguments_that_do_not_fit_are_refused() -> None:
    for vocab in (0, (1 << 20) + 1):
        with pytest.raises(native.KernelError):
            Sampler(Sampling(), vocab)
    with pytest.raises(native.KernelError):
        Sampler(Sampling(logit_bias=((10, 1),)), 10)
    one = Sampler(Sampling(presence_micro=1), 10)
    for ids in ([10], [-1]):
        with pytest.raises(native.KernelError):
            one.see(ids, output=True)
    for logits in (np.zeros(9, np.int32), np.zeros(10, np.int64), np.zeros((1, 10), np.int32)):
        with pytest.raises(native.KernelError):
            one.sample(logits, 0)


def test_strided_logits_are_read_as_they_are() -> None:
    table = np.arange(40, dtype=np.int32).reshape(10, 4)
    assert sampler(Draw(), 10).sample(table[:, 1], 0) == 9
