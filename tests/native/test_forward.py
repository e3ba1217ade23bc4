"""The whole step against the reference engine: same bits for every kernel set, thread count and chunking."""

from types import SimpleNamespace

import numpy as np
import pytest

import native
from inference.reference import ReferenceEngine
from tests.native.random_model import SMALL, WIDE, random_model


def reference(config: native.Config, tensors: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    fields = {name: getattr(config, name) for name in native.Config.__slots__}
    return ReferenceEngine(SimpleNamespace(**fields), tensors, config.exponents).forward(ids)


@pytest.fixture(scope="module")
def small():
    config, tensors = random_model(1, **SMALL)
    ids = np.random.default_rng(2).integers(0, config.vocab_size, 150).tolist()
    return config, tensors, ids, reference(config, tensors, ids)


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_prefill_in_any_chunks_equals_reference(small, kernels, threads):
    config, tensors, ids, expected = small
    model = native.Model(config, tensors, kernels, threads)
    for chunk in (1, 3, 64, len(ids)):
        session = model.session()
        parts = [session.forward(ids[i : i + chunk], all_logits=True) for i in range(0, len(ids), chunk)]
        assert np.array_equal(np.concatenate(parts), expected), chunk
        assert session.position == len(ids)


@pytest.mark.parametrize("kernels", native.backends())
def test_last_logits_only(small, kernels):
    config, tensors, ids, expected = small
    session = native.Model(config, tensors, kernels, 2).session()
    assert np.array_equal(session.forward(ids), expected[-1:])


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_decode_on_the_pool_equals_reference(kernels, threads):
    config, tensors = random_model(3, **WIDE)
    ids = [5, 99, 0, 41, 41, 7]
    model = native.Model(config, tensors, kernels, threads)
    session = model.session()
    decoded = np.concatenate([session.forward([token]) for token in ids])
    assert np.array_equal(decoded, reference(config, tensors, ids))


def test_truncated_session_forgets(small):
    config, tensors, ids, expected = small
    session = native.Model(config, tensors).session()
    session.forward(ids[:100])
    session.truncate(40)
    assert np.array_equal(session.forward(ids[40:90], all_logits=True), expected[40:90])


def test_sessions_of_one_model_do_not_disturb_each_other(small):
    config, tensors, ids, expected = small
    model = native.Model(config, tensors, threads=2)
    first, second = model.session(), model.session(160)
    for i in range(0, 60, 20):
        assert np.array_equal(first.forward(ids[i : i + 20], all_logits=True), expected[i : i + 20])
        assert np.array_equal(second.forward(ids[i : i + 20], all_logits=True), expected[i : i + 20])


@pytest.mark.parametrize("scale", [0, 1, 65535])
def test_degenerate_scales_saturate_the_same_way(scale):
    """All-equal extreme weights drive the residual stream to saturation, all-zero ones to nothing."""
    config, tensors = random_model(4, **SMALL)
    for name in config.shapes():
        config.exponents[name] = 16
        tensors[name][:, : config.shapes()[name][1]] = 127 if scale else 0
        tensors[f"{name}.scale"][:] = scale
    ids = [0, 1, 2, 71, 0]
    expected = reference(config, tensors, ids)
    for kernels in native.backends():
        session = native.Model(config, tensors, kernels, 2).session()
        assert np.array_equal(session.forward(ids, all_logits=True), expected)


def test_bad_arguments_are_refused(small):
    config, tensors, ids, _ = small
    model = native.Model(config, tensors)
    session = model.session(10)
    for bad in ([], [-1], [config.vocab_size], ids[:11]):
        with pytest.raises(native.KernelError):
            session.forward(bad)
    assert session.position == 0
    for context in (-1, config.context_tokens + 1):
        with pytest.raises(native.KernelError):
            model.session(context)
    with pytest.raises(native.KernelError):
        session.truncate(1)
    for threads in (0, 65):
        with pytest.raises(native.KernelError):
            native.Model(config, tensors, threads=threads)
    with pytest.raises(native.KernelError, match="head"):
        native.Model(config, {**tensors, "head": tensors["head"][:, :-1]})
