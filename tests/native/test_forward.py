"""The whole step against the reference engine: same bits for every kernel set, thread count and chunking."""

from functools import cache

import numpy as np
import pytest

import native
from inference.reference import ReferenceEngine
from native import lib
from tests.native.random_model import FAMILIES, SMALL, WIDE, random_model, reference, resized

THREADS = [1, 2, 3, 7]
CHUNKS = [1, 3, 64, 512]


@cache
def made(family: str) -> tuple[native.Config, dict[str, np.ndarray], list[int], np.ndarray]:
    """A model, a sequence and its logits by the reference."""
    config, tensors = random_model(len(family), **FAMILIES[family])
    count = 640 if "long" in family else 120
    ids = np.random.default_rng(2).integers(0, config.vocab_size, count).tolist()
    return config, tensors, ids, reference(config, tensors).forward(ids)


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("family", FAMILIES)
def test_any_chunks_and_threads_give_the_reference(family, kernels):
    config, tensors, ids, expected = made(family)
    for threads in THREADS:
        model = native.Model(config, tensors, kernels, threads)
        for chunk in CHUNKS:
            session = model.session()
            parts = [session.forward(ids[i : i + chunk], all_logits=True) for i in range(0, len(ids), chunk)]
            assert np.array_equal(np.concatenate(parts), expected), (threads, chunk)
            assert session.position == len(ids)


@pytest.mark.parametrize("kernels", native.backends())
def test_prefill_then_decode_with_the_last_logits_only(kernels):
    config, tensors, ids, expected = made("long")
    session = native.Model(config, tensors, kernels, 2).session()
    assert np.array_equal(session.forward(ids[:600]), expected[599:600])
    for i in range(600, 640):
        assert np.array_equal(session.forward(ids[i : i + 1]), expected[i : i + 1])


@pytest.fixture(scope="module", params=[8, 4])
def wide(request):
    config, tensors = random_model(3, **WIDE, layer_bits=request.param, head_bits=request.param)
    ids = [5, 99, 0, 41, 41, 7, 3, 98, 12, 50, 64]
    return config, tensors, ids, reference(config, tensors).forward(ids)


@pytest.mark.parametrize("kernels", native.backends())
def test_small_chunks_on_the_pool_give_the_reference(wide, kernels):
    config, tensors, ids, expected = wide
    for threads in THREADS:
        model = native.Model(config, tensors, kernels, threads)
        for chunk in (1, 2, 3, 11):
            session = model.session()
            parts = [session.forward(ids[i : i + chunk], all_logits=True) for i in range(0, len(ids), chunk)]
            assert np.array_equal(np.concatenate(parts), expected), (threads, chunk)


@pytest.mark.parametrize("scale", [0, 1, 65535])
@pytest.mark.parametrize("norms", [False, True])
def test_degenerate_scales_saturate_the_same_way(scale, norms):
    """All-equal extreme weights drive the residual stream to saturation, all-zero ones to nothing."""
    config, tensors = random_model(4, **SMALL, qk_norm=norms, qkv_bias=norms, ffn_rotation=3)
    for name in config.shapes():
        config.exponents[name] = 16
        tensors[name][:] = 255 if scale else 128
        tensors[f"{name}.scale"][:] = scale
    ids = [0, 1, 2, 71, 0]
    expected = reference(config, tensors).forward(ids)
    for kernels in native.backends():
        session = native.Model(config, tensors, kernels, 2).session()
        assert np.array_equal(session.forward(ids, all_logits=True), expected)


def test_loud_inputs_of_a_rotation_lose_their_last_bits():
    config, tensors = random_model(7, **FAMILIES["qwen3"])
    for i in range(config.n_layers):
        for name, more in {"w1": -7, "w3": -7, "w2": 13}.items():
            config.exponents[f"layers.{i}.{name}"] += more
    drops: list[int] = []

    class Recorder(ReferenceEngine):
        def _rotate_hidden(self, x):
            hidden, drop = super()._rotate_hidden(x)
            drops.append(drop)
            return hidden, drop

    ids = np.random.default_rng(8).integers(0, config.vocab_size, 20).tolist()
    expected = Recorder(config, tensors, config.exponents).forward(ids)
    assert min(drops) < max(drops) < 5  # and so nothing saturates
    for kernels in native.backends():
        session = native.Model(config, tensors, kernels, 2).session()
        assert np.array_equal(session.forward(ids, all_logits=True), expected)


def test_more_positions_than_one_sum_of_weighted_values_may_have():
    """Past 2^16 positions, by tokens that attend together and of which only some see the last ones. Those have ids of
    their own, and scores are so loud that one of them takes all the weight. Without rotation and with one layer a
    position's key and value depend on its id alone, so the reference need not read them all; for the kernels a model
    with a short window fills the cache."""
    sizes = {"dim": 8, "n_layers": 1, "n_heads": 1, "n_kv_heads": 1, "head_dim": 6, "ffn_dim": 8, "vocab_size": 20}
    config, tensors = random_model(21, **sizes, context_tokens=66_000)
    tensors["rope_freq"][:] = 0
    config.exponents["layers.0.wq"] -= 6
    config.exponents["layers.0.wk"] -= 6
    first = 65_534
    ids = [*np.random.default_rng(6).integers(0, 15, first).tolist(), 15, 16, 17, 18, 19]
    known, engine = reference(config, tensors), reference(config, tensors)
    known.forward(range(20))
    engine.keys = [[known.keys[0][id] for id in ids[:first]]]
    engine.values = [[known.values[0][id] for id in ids[:first]]]
    engine.position = first
    expected = engine.forward(ids[first:])
    filled = native.Model(resized(config, window_tokens=1), tensors).session()
    filled.forward(ids[:first])
    for kernels in native.backends():
        session = native.Model(config, tensors, kernels, 2).session()
        lib.rail_session_copy(session._handle, filled._handle, first)
        assert np.array_equal(session.forward(ids[first:], all_logits=True), expected)
