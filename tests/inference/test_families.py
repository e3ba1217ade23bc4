"""Each family against the reference library: logits of small random models, read from folders and from GGUF."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from float_reference import float_logits
from peer_models import CASES, build, logits, save, write_peer_gguf
from peers import peer
from small_vocabulary import SIZE

from inference.convert import gguf, huggingface
from inference.convert.float_model import FloatModel
from inference.convert.sources import Source

pytestmark = pytest.mark.filterwarnings("ignore")  # of the reference libraries

TOLERANCE = 1e-4  # of the spread of the logits; float32 arithmetic in another order differs by 2e-5
IDS = np.random.Generator(np.random.PCG64(1)).integers(0, SIZE, 60).tolist()


def difference(model: FloatModel, expected: np.ndarray) -> float:
    return float(np.abs(float_logits(model, IDS) - expected).max() / expected.std())


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_the_reference(name: str, tmp_path: Path) -> None:
    model = build(CASES[name])
    save(model, tmp_path)
    found = huggingface.read_folder(tmp_path, "m")
    assert difference(found, logits(model, IDS)) < TOLERANCE


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_short_floats_in_several_files_are_read_exactly(kind: str, tmp_path: Path) -> None:
    torch = peer("torch")
    model, short = build(CASES["qwen2"]), getattr(torch, kind)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_(tensor.to(short))
    expected = logits(model, IDS)
    save(model.to(short), tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert difference(huggingface.read_folder(tmp_path, "m"), expected) < TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_gguf_of_the_same_model_gives_the_same_tensors(name: str, tmp_path: Path) -> None:
    model = build(CASES[name])
    save(model, tmp_path)
    write_peer_gguf(model, tmp_path / "m.gguf")
    folder = huggingface.read_folder(tmp_path, "m")
    found = gguf.read_checkpoint(Source.open(tmp_path / "m.gguf"), "m")
    if name == "qwen2-window":  # GGUF has no window for it
        folder = replace(folder, config=replace(folder.config, window_tokens=0))
    assert replace(found.config, family="llama") == replace(folder.config, family="llama")
    assert found.tensors.keys() == folder.tensors.keys()
    assert all(np.array_equal(found.tensor(key), folder.tensor(key)) for key in found.tensors)
    theirs, ours = (np.array(m.rope_frequencies, np.float64) for m in (folder, found))
    assert np.allclose(theirs, ours, rtol=1e-6, atol=0)  # GGUF holds Llama 3's factors as float32


@pytest.mark.parametrize("name", [name for name in CASES if "window" not in name and name != "mistral"])
def test_llama_cpp_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    """llama.cpp has no windows for these families."""
    llama_cpp = peer("llama_cpp", promised=False)  # it takes minutes to build
    write_peer_gguf(build(CASES[name]), tmp_path / "m.gguf")
    theirs = llama_cpp.Llama(
        str(tmp_path / "m.gguf"), n_ctx=64, n_threads=1, logits_all=True, type_k=0, type_v=0, verbose=False
    )
    theirs.eval(IDS)
    expected = np.array(theirs.scores[: len(IDS)])
    found = difference(gguf.read_checkpoint(Source.open(tmp_path / "m.gguf"), "m"), expected)
    print(f"{name}: {found:.1e}")
    assert found < TOLERANCE


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mistral", {"window_tokens": 8}),
        ("qwen2-window", {"window_tokens": 0}),
        ("qwen3", {"norm_eps_q48": 1 << 36}),
    ],
)
def test_the_comparison_can_fail(name: str, change: dict[str, int], tmp_path: Path) -> None:
    model = build(CASES[name])
    save(model, tmp_path)
    found = huggingface.read_folder(tmp_path, "m")
    wrong = replace(found, config=replace(found.config, **change))
    assert difference(wrong, logits(model, IDS)) > 10 * TOLERANCE
