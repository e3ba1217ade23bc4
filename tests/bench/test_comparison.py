"""What the comparisons with llama.cpp rest on: random models of both formats, and its rule for Q4_0."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from q4_0 import dequantised

from inference.engine import Engine
from inference.modelfile import ModelFile
from web.bench.files import own_file, peer_file
from web.bench.random_gguf import FORMATS, tensors_of
from web.bench.sequence import params_of_length
from web.bench.shapes import SHAPES
from web.bench.speed import generated

TINY = SHAPES["tiny"]


@pytest.mark.parametrize("bits", [8, 4])
def test_random_models_load_verified_and_run_to_the_length(bits: int, tmp_path: Path) -> None:
    file = ModelFile.open(own_file(tmp_path, TINY, bits), use_cache=False)
    engine = Engine(file, threads=1)
    run = generated(engine, [1], params_of_length(file, 30))
    assert len(run.output_ids) == 30
    assert len(set(run.output_ids)) > 20
    assert engine.replay(run).verdict == "match"


@pytest.mark.parametrize("format", FORMATS)
def test_random_gguf_files_are_what_another_reader_expects(format: str, tmp_path: Path) -> None:
    reader = gguf.GGUFReader(peer_file(tmp_path, TINY, format))
    found = {tensor.name: tensor for tensor in reader.tensors}
    assert {name: tuple(tensor.shape.tolist()[::-1]) for name, tensor in found.items()} == tensors_of(TINY)
    tensor = found["blk.1.ffn_down.weight"]
    assert tensor.tensor_type.name == format
    weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    assert weights.std() == pytest.approx(0.02, rel=0.05)
    assert reader.get_field("llama.attention.head_count_kv").contents() == TINY.kv_heads


def test_q4_0_is_that_of_the_reference_library() -> None:
    weights = np.random.default_rng(1).standard_normal((64, 96)).astype(np.float32)
    weights[3] = 0
    kind = gguf.GGMLQuantizationType.Q4_0
    expected = gguf.quants.dequantize(gguf.quants.quantize(weights, kind), kind)
    assert np.array_equal(dequantised(weights), expected)
    assert np.array_equal(dequantised(weights[:, :44])[:, :32], expected[:, :32])
