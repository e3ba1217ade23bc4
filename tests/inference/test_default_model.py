"""The shipped model gives frozen token ids and logits: on every kernel set, thread count and with the reference.

`python -m tests.inference.test_default_model` rewrites the vectors, with the reference engine only.
"""

import hashlib
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import native
from inference.drain import drain
from inference.engine import Engine
from inference.errors import ModelFileError
from inference.modelfile import ModelFile
from inference.models import default_model_path
from inference.reference import ReferenceEngine
from inference.reference_sampler import Draw, distribution, pick
from inference.sampling import SamplingParams
from inference.tokenizer import Tokenizer

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "inference" / "default_model.json"
RUNS = [
    ("Once upon a time", SamplingParams(max_tokens=40)),
    ("Once upon a time", SamplingParams(temperature_micro=800_000, top_p_micro=950_000, seed=7, max_tokens=160)),
    ("", SamplingParams(temperature_micro=1_000_000, seed=2**63 - 1, max_tokens=40)),
    (
        "Tom said: \u201c\u4f60\u597d\u201d",
        SamplingParams(temperature_micro=1_300_000, top_k=40, seed=1, max_tokens=40),
    ),
    (
        "The cat saw the cat",
        SamplingParams(
            temperature_micro=1_100_000,
            top_k=200,
            top_p_micro=980_000,
            min_p_micro=1_000,
            repetition_micro=1_200_000,
            frequency_micro=300_000,
            presence_micro=-100_000,
            seed=3,
            max_tokens=24,
            logit_bias=((300, -5_000_000),),
        ),
    ),
]


def digest(logits: np.ndarray) -> str:
    """SHA-256 over all logits as little-endian int32."""
    return hashlib.sha256(logits.astype("<i4").tobytes()).hexdigest()


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return ModelFile.open(default_model_path())


@pytest.fixture(scope="module")
def vectors() -> dict:
    return json.loads(VECTORS.read_text())


def test_the_vectors_are_of_the_shipped_model(model, vectors):
    assert model.root.hex() == vectors["model_root"]
    assert len(vectors["runs"]) == len(RUNS)


def test_a_flipped_byte_anywhere_is_refused(tmp_path):
    """Places all over the file, in each of its chunks."""
    path = tmp_path / "flipped.rail"
    intact = default_model_path().read_bytes()
    for place in range(0, len(intact), len(intact) // 97):
        path.write_bytes(intact[:place] + bytes([intact[place] ^ 0x10]) + intact[place + 1 :])
        with pytest.raises(ModelFileError):
            ModelFile.open(path, use_cache=False)


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("threads", [1, 2])
def test_runs_are_frozen(model, vectors, kernels, threads):
    engine = Engine(model, threads=threads, kernels=kernels)
    for (prompt, params), expected in zip(RUNS, vectors["runs"], strict=True):
        transcript = drain(engine.generate(engine.encode_prompt(prompt), params))
        assert list(transcript.output_ids) == expected["output_ids"]
        assert transcript.finish_reason == expected["finish_reason"]
        logits = engine.logits(transcript.prompt_ids + transcript.output_ids)
        assert digest(logits) == expected["logits_sha256"]
        assert engine.replay(transcript).verdict == "match"


def reference_run(model: ModelFile, prompt: str, params: SamplingParams) -> dict:
    """A generation by the reference engine, one token at a time."""
    engine = ReferenceEngine(model.config, model.tensors, model.exponents)
    ids = Tokenizer(model.vocabulary).encode(prompt)
    rows, output = list(engine.forward(ids)), []
    draw = Draw(**{f.name: getattr(params, f.name) for f in fields(Draw) if f.name != "logit_bias"},
                logit_bias=dict(params.logit_bias))  # fmt: skip
    finish = "length"
    while len(output) < params.max_tokens:
        weights = distribution(rows[-1].tolist(), draw, ids, output)
        token = pick(weights, params.seed, len(ids) + len(output))
        output.append(token)
        rows.extend(engine.forward([token]))
        if token in model.vocabulary.stop_ids:
            finish = "stop"
            break
    return {"output_ids": output, "finish_reason": finish, "logits_sha256": digest(np.stack(rows))}


def test_the_reference_makes_a_whole_vector_again(model, vectors):
    assert reference_run(model, *RUNS[0]) == vectors["runs"][0]


if __name__ == "__main__":
    opened = ModelFile.open(default_model_path())
    frozen = {"model_root": opened.root.hex(), "runs": [reference_run(opened, *run) for run in RUNS]}
    VECTORS.write_text(json.dumps(frozen, indent=1) + "\n")
