"""Steps of several sequences, copied and shortened sequences, captures, and what a step refuses."""

import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

import native
from inference.reference import ReferenceEngine
from tests.native.random_model import FAMILIES, random_model

FAMILY_NAMES = ["llama", "mistral", "qwen2", "qwen3", "packed"]


@cache
def made(family: str) -> tuple[native.Config, dict[str, np.ndarray], list[list[int]], list[np.ndarray]]:
    """A model, eight sequences and their logits by the reference. The last two begin like the first."""
    config, tensors = random_model(len(family), **FAMILIES[family])
    draw = np.random.default_rng(9)
    lengths = [70, 1, 17, 64, 5, 33]
    sequences = [draw.integers(0, config.vocab_size, length).tolist() for length in lengths]
    sequences += [sequences[0][:48] + sequences[3][:9], sequences[0][:30]]
    logits = [ReferenceEngine(config, tensors, config.exponents).forward(ids) for ids in sequences]
    return config, tensors, sequences, logits


def run_mixed(model: native.Model, which: list[int], sequences: list[list[int]], draw: np.random.Generator):
    """Advance the sequences by random pieces, several at a time in any order; yields (sequence, position, logits)."""
    sessions = {i: model.session() for i in which}
    while open_ones := [i for i in which if sessions[i].position < len(sequences[i])]:
        chosen = draw.permutation(open_ones)[: draw.integers(1, len(open_ones) + 1)].tolist()
        pieces = []
        for i in chosen:
            start = sessions[i].position
            count = min(int(draw.choice([1, 1, 1, 2, 3, 16, 64])), len(sequences[i]) - start)
            pieces.append(
                native.Piece(sessions[i], sequences[i][start : start + count], int(draw.integers(0, count + 1)))
            )
        rows = iter(model.step(pieces))
        for i, piece in zip(chosen, pieces, strict=True):
            for position in range(sessions[i].position - piece.logits, sessions[i].position):
                yield i, position, next(rows)
        assert next(rows, None) is None


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_batches_of_one_to_eight_in_any_order_give_the_reference(family, kernels):
    config, tensors, sequences, logits = made(family)
    for threads in (1, 3):
        model = native.Model(config, tensors, kernels, threads)
        for count in range(1, 9):
            draw = np.random.default_rng([threads, count])
            which = draw.permutation(8)[:count].tolist()
            for i, position, row in run_mixed(model, which, sequences, draw):
                assert np.array_equal(row, logits[i][position]), (threads, which, i, position)


@pytest.mark.parametrize("kernels", native.backends())
def test_a_step_of_more_tokens_than_pass_together(kernels):
    """Eight prompts at once, cut where a chunk is full."""
    config, tensors, _, _ = made("llama")
    long = np.random.default_rng(1).integers(0, config.vocab_size, (8, 100)).tolist()
    model = native.Model(config, tensors, kernels, 2)
    alone = [model.session().forward(ids, all_logits=True) for ids in long]
    assert np.array_equal(model.step([native.Piece(model.session(), ids, 100) for ids in long]), np.concatenate(alone))


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_copied_beginning_goes_on_as_if_read(family, kernels):
    config, tensors, sequences, logits = made(family)
    model = native.Model(config, tensors, kernels, 2)
    first = model.session()
    first.forward(sequences[0])
    for length in (1, 3, 4, 15, 16, 17, 30, 48):
        copy = model.session(len(sequences[6]))  # of another capacity
        copy.copy_from(first, length)
        assert copy.position == length
        assert np.array_equal(copy.forward(sequences[6][length:], all_logits=True), logits[6][length:])
    assert first.position == len(sequences[0])


def test_truncated_session_forgets():
    config, tensors, sequences, logits = made("llama")
    session = native.Model(config, tensors).session()
    session.forward(sequences[0])
    session.truncate(48)
    assert np.array_equal(session.forward(sequences[6][48:], all_logits=True), logits[6][48:])
    session.truncate(0)
    assert np.array_equal(session.forward(sequences[3], all_logits=True), logits[3])


PLACES = {"wq": 0, "wk": 0, "wv": 0, "wo": 1, "w1": 2, "w3": 2, "w2": 3}


class Recorder(ReferenceEngine):
    """Keeps the input of every matrix, by its name."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.inputs: dict[str, list[np.ndarray]] = {}

    def _linear(self, name, x, scale):
        self.inputs.setdefault(name, []).append(x)
        return super()._linear(name, x, scale)


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_captured_inputs_are_those_of_the_reference(family, kernels):
    config, tensors, sequences, _ = made(family)
    for count in (1, 2, 33):
        ids = sequences[5][:count]
        engine = Recorder(config, tensors, config.exponents)
        engine.forward(ids)
        found = native.Model(config, tensors, kernels, 3).capture(ids)
        layers = range(config.n_layers)
        places = {f"layers.{i}.{name}": (i, place) for name, place in PLACES.items() for i in layers}
        assert set(engine.inputs) == {*places, "head"}
        for name, (layer, place) in {**places, "head": (config.n_layers, 0)}.items():
            expected = np.stack(engine.inputs[name])
            assert np.array_equal(found[layer, place, :, : expected.shape[1]], expected), name


def test_a_capture_does_not_outlive_its_call():
    config, tensors, sequences, logits = made("llama")
    model = native.Model(config, tensors)
    before = model.capture(sequences[2])
    kept = before.copy()
    assert np.array_equal(model.session().forward(sequences[0], all_logits=True), logits[0])
    assert np.array_equal(before, kept)
    with pytest.raises(native.KernelError, match="at most 256"):
        model.capture([1] * 257)


def test_ids_counts_and_contexts_that_do_not_fit_are_refused():
    config, tensors, sequences, logits = made("llama")
    model, other = native.Model(config, tensors), native.Model(config, tensors)
    session = model.session(10)
    refused = {
        (): "at least one token",
        (-1,): "0 to 71",
        (5, 72): "0 to 71",
        (1,) * 11: r"0 \+ 11 tokens exceed the context of 10",
    }
    for ids, why in refused.items():
        with pytest.raises(native.KernelError, match=why):
            session.forward(ids)
    for logits_wanted in (-1, 3):
        with pytest.raises(native.KernelError):
            model.step([native.Piece(session, [1, 2], logits_wanted)])
    for pieces in ([], [native.Piece(session, [1]), native.Piece(session, [2])], [native.Piece(other.session(), [1])]):
        with pytest.raises(native.KernelError):
            model.step(pieces)
    assert session.position == 0
    session.forward(sequences[0][:10])
    with pytest.raises(native.KernelError, match="exceed the context"):
        session.forward([1])
    session.truncate(9)
    assert np.array_equal(session.forward(sequences[0][9:10]), logits[0][9:10])


def test_sessions_that_cannot_be_had_are_refused():
    config, tensors, _, _ = made("llama")
    model, other = native.Model(config, tensors), native.Model(config, tensors)
    for context in (-1, config.context_tokens + 1):
        with pytest.raises(native.KernelError, match="context must be 1 to 200"):
            model.session(context)
    session, stranger, small = model.session(), other.session(), model.session(3)
    session.forward([1, 2, 3, 4])
    stranger.forward([1, 2, 3, 4])
    for to, source, positions in ((model.session(), stranger, 2), (small, session, 4), (small, session, -1),
                                  (model.session(), session, 5)):  # fmt: skip
        with pytest.raises(native.KernelError, match="cannot copy"):
            to.copy_from(source, positions)
    for position in (-1, 5):
        with pytest.raises(native.KernelError, match="cannot truncate"):
            session.truncate(position)


def test_tensors_of_another_shape_or_type_are_refused():
    config, tensors, _, _ = made("qwen3")
    for threads in (0, 65):
        with pytest.raises(native.KernelError, match="threads"):
            native.Model(config, tensors, threads=threads)
    for name, tensor in tensors.items():
        for wrong in (tensor[:-1], tensor.astype(np.int8), np.stack([tensor, tensor], axis=-1)[..., 0]):
            with pytest.raises(native.KernelError, match=f"{name}: want"):
                native.Model(config, {**tensors, name: wrong})


SHORT_OF_MEMORY = """
import resource, native
from tests.native.random_model import random_model
sizes = dict(dim=8, n_layers=64, n_heads=8, n_kv_heads=8, head_dim=64, ffn_dim=8, vocab_size=8)
config, tensors = random_model(1, **sizes, context_tokens=1 << 20)
model = native.Model(config, tensors)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (48 << 20), resource.RLIM_INFINITY))
for make in (model.session, lambda: native.Model(config, tensors, threads=64)):
    try:
        make()
    except native.KernelError as error:
        print(error)
assert model.session(64).forward([1, 2]).shape == (1, 8)
"""


@pytest.mark.skipif("RAIL_TEST_VARIANT" in os.environ, reason="sanitizers take more memory than any limit")
def test_missing_memory_is_an_error_and_no_crash():
    done = subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        f"not enough memory for a context of {1 << 20} tokens",
        "not enough memory or threads for the model",
    ], done.stderr
