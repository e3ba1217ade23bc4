"""The shipped model gives frozen token ids and logits: on every kernel set, thread count and with the reference.

`python -m tests.inference.test_default_model` rewrites the vectors and the model card's continuations.
"""

import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import inference.training
import native
from inference.convert.options import ConvertOptions
from inference.convert.pipeline import convert
from inference.drain import drain
from inference.engine import Engine
from inference.errors import ModelFileError
from inference.modelfile import ModelFile
from inference.models import default_model_path
from inference.reference import ReferenceEngine
from inference.reference_sampler import Draw, distribution, pick
from inference.sampling import SamplingParams
from inference.tokenizer import Tokenizer
from inference.training import data, figures
from inference.training.rows import windows
from inference.training.tokenizer import load_tokenizer

FLOAT = Path(inference.training.__file__).with_name("checkpoint")
CARD = default_model_path().with_name("MODEL_CARD.md")
CONTINUATIONS = re.compile(r"(<!-- continuations -->\n).*?(<!-- /continuations -->)", re.S)
VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "inference" / "default_model.json"
PROMPTS = [
    "Once upon a time",
    "One day, Tom found",
    "The little dog",
    "Lily and Ben were",
    "There was an old woman who",
    "Far away, in a big forest,",
    '"Where is my ball?" asked Mia.',
    "The king had three sons.",
    "Peter Rabbit",
    "It was a cold winter night and",
    "Mom said,",
    "In the garden there lived",
    "The dragon opened one eye and",
    '"Come with me," said the fox,',
    "After lunch, Sam and his sister",
    "The moon was bright when",
    "Uncle Wiggily",
    "A small boat",
    "The wolf knocked at the door.",
    "At last",
]
# The model card shows all of them, not selected.
STORIES = [
    (prompt, SamplingParams(temperature_micro=700_000, top_p_micro=900_000, seed=seed, max_tokens=80))
    for seed, prompt in enumerate(PROMPTS, 1)
]
RUNS = [
    *STORIES,
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


def test_the_float_checkpoint_converts_to_the_shipped_file(model, tmp_path):
    options = model.provenance["options"]
    convert(
        FLOAT / "model.bin",
        tmp_path / "again.rail",
        FLOAT / "tokenizer.model",
        name=options["name"],
        licence=options["licence"],
    )
    assert (tmp_path / "again.rail").read_bytes() == default_model_path().read_bytes()


@pytest.mark.parametrize(("bits", "limit"), [(8, 1.005), (4, 1.04)])
def test_the_integer_model_is_as_good_as_the_float_one(shared_data, tmp_path, bits, limit):
    """Nats of some held-out rows, stories and books."""
    tokenizer = load_tokenizer(FLOAT / "tokenizer.model")
    options = ConvertOptions(layer_bits=bits, head_bits=bits)
    convert(FLOAT / "model.bin", tmp_path / "m.rail", FLOAT / "tokenizer.model", options=options)
    by_integers = figures.integer_logits(Engine(ModelFile.open(tmp_path / "m.rail", use_cache=False)))
    by_floats = figures.float_logits(FLOAT / "model.bin")
    for name in (data.HELDOUT_STORIES, data.HELDOUT_BOOKS):
        rows = windows(data.read_texts(shared_data / "corpora", (name,)), tokenizer, 512)
        some = rows[:: len(rows) // 8]
        ratio = sum(figures.nats(by_integers(row), row) for row in some) / sum(
            figures.nats(by_floats(row), row) for row in some
        )
        assert ratio < limit


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


def reference_run(model: ModelFile, prompt: str, params: SamplingParams, output_ids: list[int]) -> dict:
    """What the reference engine draws, where the tokens before it are `output_ids`."""
    engine = ReferenceEngine(model.config, model.tensors, model.exponents)
    ids = Tokenizer(model.vocabulary).encode(prompt)
    rows = list(engine.forward([*ids, *output_ids]))
    draw = Draw(**{f.name: getattr(params, f.name) for f in fields(Draw) if f.name != "logit_bias"},
                logit_bias=dict(params.logit_bias))  # fmt: skip
    output = []
    for place in range(len(output_ids)):
        weights = distribution(rows[len(ids) + place - 1].tolist(), draw, ids, output_ids[:place])
        output.append(pick(weights, params.seed, len(ids) + place))
    finish = "stop" if output[-1] in model.vocabulary.stop_ids else "length"
    return {"output_ids": output, "finish_reason": finish, "logits_sha256": digest(np.stack(rows))}


@pytest.mark.parametrize("number", [0, len(RUNS) - 1])
def test_the_reference_draws_a_vector_again(model, vectors, number):
    frozen = vectors["runs"][number]
    assert reference_run(model, *RUNS[number], frozen["output_ids"]) == frozen


def continuations(model: ModelFile, vectors: dict) -> str:
    """The card's list: each prompt, then its text in one line."""
    tokenizer = Tokenizer(model.vocabulary)
    lines = []
    for (prompt, params), run in zip(STORIES, vectors["runs"], strict=False):
        output = tokenizer.decode(run["output_ids"], previous=tokenizer.encode(prompt)[-1])
        text = re.sub(r"\s+", " ", output.decode(errors="replace")).rstrip()
        lines.append(f"{params.seed}. **{prompt}**{text}\n")
    return "".join(lines)


def test_the_model_card_is_of_the_shipped_model(model, vectors):
    card = CARD.read_text()
    assert continuations(model, vectors) in card
    assert model.root.hex() in card
    assert f"{model.size_bytes:,} bytes" in card
    for digest_of_source in model.provenance["sources"].values():
        assert digest_of_source.hex() in card
    assert f"license: {model.provenance['options']['licence'].lower()}\n" in card


if __name__ == "__main__":
    opened = ModelFile.open(default_model_path())
    portable = Engine(opened, kernels="portable")
    runs = []
    for prompt, params in RUNS:
        ids = list(drain(portable.generate(portable.encode_prompt(prompt), params)).output_ids)
        runs.append(reference_run(opened, prompt, params, ids))
        assert runs[-1]["output_ids"] == ids
    frozen = {"model_root": opened.root.hex(), "runs": runs}
    VECTORS.write_text(json.dumps(frozen, indent=1) + "\n")
    listed = continuations(opened, frozen)
    CARD.write_text(CONTINUATIONS.sub(lambda found: found[1] + listed + found[2], CARD.read_text()))
