"""The conformance vectors hold for every kernel set, and the reference makes them again."""

import json

import pytest

import native
from inference.kernels import load_kernels
from inference.modelfile import ModelFile
from native.sampler import Sampler, Sampling
from tests.inference.conformance import FOLDER, MODELS, RUNS, digest, vector, write_all


@pytest.mark.parametrize("kernels", native.backends())
@pytest.mark.parametrize("name", MODELS)
def test_every_kernel_set_gives_the_vectors(name: str, kernels: str) -> None:
    vectors = json.loads((FOLDER / f"{name}.json").read_text())
    with ModelFile.open(FOLDER / f"{name}.rail", expected_root=bytes.fromhex(vectors["model_root"])) as model:
        runner = load_kernels(model, 2, kernels)
        for run in vectors["runs"]:
            sequence = run["prompt_ids"] + run["output_ids"]
            logits = runner.session(len(sequence)).forward(sequence, all_logits=True)
            assert [digest(row) for row in logits] == run["logits_sha256"]
            given = run["draw"] | {"logit_bias": tuple((id, bias) for id, bias in run["draw"]["logit_bias"])}
            sampler = Sampler(Sampling(**given), model.config.vocab_size, kernels)
            sampler.see(run["prompt_ids"], output=False)
            start, drawn = len(run["prompt_ids"]), []
            for at in range(start, len(sequence)):
                drawn.append(sampler.sample(logits[at - 1], at))
                sampler.see(drawn[-1:], output=True)
            assert drawn == run["output_ids"]


@pytest.mark.parametrize("name", MODELS)
def test_the_reference_makes_the_shortest_vector_again(name: str) -> None:
    vectors = json.loads((FOLDER / f"{name}.json").read_text())
    with ModelFile.open(FOLDER / f"{name}.rail") as model:
        assert vector(model, *RUNS[0]) == vectors["runs"][0]


def test_the_models_are_made_again_byte_for_byte(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tests.inference.conformance.RUNS", [])
    write_all(tmp_path)
    for name in MODELS:
        assert (tmp_path / f"{name}.rail").read_bytes() == (FOLDER / f"{name}.rail").read_bytes()
