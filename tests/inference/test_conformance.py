"""The conformance vectors hold for every kernel set, and the reference makes them again."""

import json

import numpy as np
import pytest

import native
from inference.kernels import load_kernels
from inference.modelfile import ModelFile
from inference.run import draw
from inference.sampling import SamplingParams
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
            params = SamplingParams(**{k: run[k] for k in ("temperature_micro", "top_k", "top_p_micro", "seed")})
            start = len(run["prompt_ids"])
            drawn = [draw(np.asarray(logits[at - 1]), params, at) for at in range(start, len(sequence))]
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
