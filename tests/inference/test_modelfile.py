"""Writing and reading model files that are in order."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from small_vocabulary import sentencepiece_vocabulary
from tiny_model import CONFIG, PROVENANCE, ROOT, TinyModel, tiny_model, write_model, write_tiny

from inference.errors import ModelFileError
from inference.layout import tensor_specs
from inference.modelfile import ModelFile
from inference.modelwriter import ModelWriter


def test_reading_gives_back_what_was_written(tiny_path: Path) -> None:
    model, source = ModelFile.open(tiny_path), tiny_model()
    assert model.config == CONFIG
    assert model.exponents == source.exponents
    assert model.vocabulary == sentencepiece_vocabulary()
    assert model.chat_template is None
    assert model.provenance == PROVENANCE
    assert model.size_bytes == tiny_path.stat().st_size
    assert model.tensors.keys() == source.tensors.keys()
    for name, tensor in source.tensors.items():
        assert model.tensors[name].dtype == tensor.dtype
        assert np.array_equal(model.tensors[name], tensor)


def test_tiny_model_has_its_frozen_root(tiny_path: Path) -> None:
    assert ModelFile.open(tiny_path, expected_root=ROOT).root == ROOT


def test_bytes_depend_on_the_content_alone(tiny_path: Path, tmp_path: Path) -> None:
    other = tmp_path / "another name.rail"
    assert write_tiny(other) == ROOT
    assert other.read_bytes() == tiny_path.read_bytes()
    assert os.listdir(tmp_path) == [other.name]


def test_tensors_are_read_only_views_at_aligned_places(tiny_path: Path) -> None:
    for tensor in ModelFile.open(tiny_path).tensors.values():
        assert not tensor.flags.writeable
        assert not tensor.flags.owndata
        assert tensor.ctypes.data % 64 == 0


def test_tensors_outlive_the_closed_model(tiny_path: Path) -> None:
    with ModelFile.open(tiny_path) as model:
        head = model.tensors["head"]
    assert np.array_equal(head, tiny_model().tensors["head"])
    assert not model.tensors


def test_layout_has_no_gaps_and_ends_with_the_file(tiny_path: Path) -> None:
    specs = tensor_specs(CONFIG)
    assert [spec.name for spec in specs] == sorted(spec.name for spec in specs)
    assert specs[0].offset == 0
    for before, after in pairwise(specs):
        assert before.offset + before.size_bytes <= after.offset < before.offset + before.size_bytes + 64
    assert (tiny_path.stat().st_size - specs[-1].end) % 4096 == 0


def test_unverified_file_tells_no_root(tiny_path: Path) -> None:
    model = ModelFile.open(tiny_path, verify=False)
    with pytest.raises(ModelFileError) as caught:
        _ = model.root
    assert caught.value.code == "not_verified"
    with pytest.raises(ModelFileError, match="verify"):
        ModelFile.open(tiny_path, expected_root=ROOT, verify=False)


def test_chat_template_is_kept(tmp_path: Path) -> None:
    write_model(tmp_path / "m.rail", tiny_model(), sentencepiece_vocabulary(), "{{ messages }} 你好", PROVENANCE)
    assert ModelFile.open(tmp_path / "m.rail").chat_template == "{{ messages }} 你好"


def test_tensors_may_come_in_parts_and_in_any_order(tiny_path: Path, tmp_path: Path) -> None:
    model = tiny_model()
    with ModelWriter(tmp_path / "m.rail", CONFIG, sentencepiece_vocabulary(), None, PROVENANCE) as writer:
        for name, tensor in reversed(model.tensors.items()):
            for start in range(0, len(tensor), 2):
                writer.write(name, tensor[start : start + 2], start)
        assert writer.finish(model.exponents) == ROOT
    assert (tmp_path / "m.rail").read_bytes() == tiny_path.read_bytes()


def test_writer_that_is_left_leaves_no_file(tmp_path: Path) -> None:
    writer = ModelWriter(tmp_path / "m.rail", CONFIG, sentencepiece_vocabulary(), None, PROVENANCE)
    with pytest.raises(KeyError), writer:
        raise KeyError
    assert os.listdir(tmp_path) == []


def _without_head(model: TinyModel) -> TinyModel:
    return replace(model, tensors={name: t for name, t in model.tensors.items() if name != "head"})


def _wider_head(model: TinyModel) -> TinyModel:
    return replace(model, tensors=model.tensors | {"head": model.tensors["head"].astype(np.int16)})


def _weight_of_minus_128(model: TinyModel) -> TinyModel:
    head = model.tensors["head"].copy()
    head[0, 0, 0, 0] = 0
    return replace(model, tensors=model.tensors | {"head": head})


def _padding_that_weighs(model: TinyModel) -> TinyModel:
    head = model.tensors["head"].copy()
    head[-1, 0, CONFIG.vocab_size % 16, 0] = 129
    return replace(model, tensors=model.tensors | {"head": head})


def _missing_exponent(model: TinyModel) -> TinyModel:
    return replace(model, exponents={"head": 20})


def _scale_twice(model: TinyModel) -> TinyModel:
    return replace(model, tensors=model.tensors | {"head.scale": np.concatenate([model.tensors["head.scale"]] * 2)})


def _exponent_out_of_range(model: TinyModel) -> TinyModel:
    return replace(model, exponents=model.exponents | {"head": 47})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_without_head, "tensor_set"),
        (_wider_head, "tensor_shape"),
        (_weight_of_minus_128, "weight_range"),
        (_padding_that_weighs, "padding"),
        (_scale_twice, "tensor_shape"),
        (_missing_exponent, "directory_schema"),
        (_exponent_out_of_range, "directory_schema"),
    ],
)
def test_nothing_is_written_that_a_reader_would_refuse(change: object, code: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        write_model(tmp_path / "m.rail", change(tiny_model()), sentencepiece_vocabulary(), None, PROVENANCE)
    assert caught.value.code == code
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        PROVENANCE | {"time": 1},
        PROVENANCE | {"sources": {"a.bin": b"short"}},
        PROVENANCE | {"sources": {"x" * 256: bytes(32)}},
        PROVENANCE | {"options": {"a": [1]}},
        PROVENANCE | {"converter": 1},
    ],
)
def test_provenance_has_one_shape(provenance: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="provenance"):
        write_model(tmp_path / "m.rail", tiny_model(), sentencepiece_vocabulary(), None, provenance)


def test_folder_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        write_tiny(tmp_path / "missing" / "m.rail")
    assert caught.value.code == "unwritable"


def test_disk_that_takes_no_more_leaves_nothing_behind(tmp_path: Path) -> None:
    """A file size limit stands for a full disk: the write fails in the middle of the data section."""
    script = (
        "import resource, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from inference.errors import ModelFileError; from tiny_model import write_tiny;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "try: write_tiny(Path(sys.argv[2], 'm.rail'))\n"
        "except ModelFileError as error: print(error.code)"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "unwritable\n"
    assert os.listdir(tmp_path) == []
