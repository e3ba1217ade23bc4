"""`rail doctor --bits` on a model whose context is past every block of the engine: its digests are the reference's."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from hashlib import sha256

import numpy as np
import pytest
from numpy.typing import NDArray

import native
from inference.config import ModelConfig
from inference.modelfile import ModelFile
from inference.prefixes import PrefixCache
from inference.reference import ReferenceEngine
from inference.reference_sampler import Draw, distribution, pick
from inference.sampling import BIAS_MICRO_MAX
from inference.tokenizer import Tokenizer
from tests.inference.small_vocabulary import sentencepiece_vocabulary
from tests.inference.tiny_model import CONFIG, PROVENANCE, tiny_model, write_model
from web.cli import bits

LONG: ModelConfig = replace(CONFIG, n_layers=1, n_heads=2, n_kv_heads=1, context_tokens=700, window_tokens=500)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelFile]:
    path = tmp_path_factory.mktemp("long") / "long.rail"
    write_model(path, tiny_model(LONG), sentencepiece_vocabulary(), None, PROVENANCE)
    with ModelFile.open(path) as opened:
        yield opened


class Reference:
    """Runs by the reference engine and the reference sampler."""

    def __init__(self, model: ModelFile) -> None:
        self._model = model
        self._bias = dict.fromkeys(model.vocabulary.stop_ids, -BIAS_MICRO_MAX)

    def draw(self, prompt: Sequence[int], tokens: int, seed: int) -> tuple[list[int], NDArray[np.int32]]:
        """The drawn ids, and the logits of the prompt and of all of them but the last."""
        engine = ReferenceEngine(self._model.config, self._model.tensors, self._model.exponents)
        rows, output = list(engine.forward(prompt)), []
        parameters = {f.name: getattr(bits.PARAMS, f.name) for f in fields(Draw)} | {
            "logit_bias": self._bias,
            "seed": seed,
        }
        while True:
            weights = distribution(rows[-1].tolist(), Draw(**parameters), prompt, output)
            output.append(pick(weights, seed, len(prompt) + len(output)))
            if len(output) == tokens:
                return output, np.stack(rows)
            rows.extend(engine.forward(output[-1:]))

    def digest(self, prompt: Sequence[int], ids: Sequence[int], logits: NDArray[np.int32]) -> str:
        drawn = sha256(logits[len(prompt) - 1 :].astype("<i4").tobytes()).digest()
        return sha256(np.array(ids, "<i4").tobytes() + drawn).hexdigest()


def test_every_way_gives_the_bits_of_the_reference(model: ModelFile, monkeypatch: pytest.MonkeyPatch) -> None:
    caches: list[PrefixCache] = []
    begin = PrefixCache.begin

    def spied(self: PrefixCache, session: native.Session, ids: Sequence[int]) -> None:
        caches.append(self)
        begin(self, session, ids)

    monkeypatch.setattr(PrefixCache, "begin", spied)
    steps: list[tuple[int, int]] = []
    found = bits.compare_bits(model.path, lambda done, total: steps.append((done, total)))
    assert found.difference is None
    assert steps == [(i, len(found.ways)) for i in range(1, len(found.ways) + 1)]
    assert len(found.ways) == len(set(map(str, found.ways))) == 20 * len(native.backends())
    hits = {id(cache): cache.hits for cache in caches}.values()  # of the 72 runs with and without kept beginnings
    assert sorted(count > 40 for count in hits) == [False] * len(native.backends()) + [True] * len(native.backends())
    assert sorted(hits)[: len(native.backends())] == [0] * len(native.backends())

    assert found.tokens == 640
    reference = Reference(model)
    prompt = Tokenizer(model.vocabulary, model.config.vocab_size).encode(bits.PROMPT)
    ids, logits = reference.draw(prompt, 640 - len(prompt), bits.PARAMS.seed)
    last = ReferenceEngine(model.config, model.tensors, model.exponents)
    expected = {"drawn": reference.digest(prompt, ids, logits)}
    whole = last.forward([*prompt, *ids])
    assert np.array_equal(whole[:-1], logits)
    expected["read"] = sha256(whole.astype("<i4").tobytes()).hexdigest()
    for number in range(8):
        beginning = [*prompt, *ids][: 3 + 6 * number]
        short, rows = reference.draw(beginning, 16, number)
        expected[f"short {number}"] = reference.digest(beginning, short, rows)
    assert found.digests == expected
