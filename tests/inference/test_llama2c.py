"""llama2.c checkpoints and tokenizers: exact tensors, and a clear refusal of anything damaged."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from float_models import float_model, with_tensors, write_llama2c, write_llama2c_tokenizer
from small_vocabulary import small_vocabulary

from inference.convert import llama2c
from inference.convert.llama2c_vocabulary import llama2c_vocabulary
from inference.convert.sources import Source
from inference.errors import ConversionError
from inference.tokenizer import Tokenizer


@pytest.fixture
def tokenizer(tmp_path: Path) -> Source:
    (tmp_path / "tokenizer.model").write_bytes(small_vocabulary())
    return Source.open(tmp_path / "tokenizer.model")


def read(path: Path, tokenizer: Source) -> str:
    """The code with which a checkpoint is refused, or a tensor of it."""
    with pytest.raises(ConversionError) as caught:
        model = llama2c.read_checkpoint(llama2c.read_header(Source.open(path), "m"), tokenizer)
        for name in model.tensors:
            model.tensor(name)
    return caught.value.code


@pytest.mark.parametrize("tied", [True, False])
def test_tensors_come_back(tied: bool, tmp_path: Path, tokenizer: Source) -> None:
    model = float_model(tied)
    write_llama2c(model, tmp_path / "m.bin")
    assert llama2c.is_checkpoint(Source.open(tmp_path / "m.bin"))
    found = llama2c.read_checkpoint(llama2c.read_header(Source.open(tmp_path / "m.bin"), "small"), tokenizer)
    assert found.config == model.config
    assert found.tensors.keys() == model.tensors.keys()
    assert all(np.array_equal(found.tensor(name), tensor) for name, tensor in model.tensors.items())
    assert found.rope_frequencies == model.rope_frequencies
    assert found.vocabulary == replace(model.vocabulary, stop_ids=(1, 2))  # its models end with BOS
    assert set(found.sources) == {"m.bin", "tokenizer.model"}


@pytest.mark.parametrize("name", ["stories260K.bin", "babyllama361.bin"])
def test_real_checkpoints_are_read(name: str, shared_data: Path, tokenizer: Source) -> None:
    source = Source.open(shared_data / "models" / name)
    model = llama2c.read_checkpoint(llama2c.read_header(source, "m"), tokenizer)
    assert all(model.tensor(name).size for name in model.tensors)


def test_every_length_but_the_right_one_is_refused(tmp_path: Path, tokenizer: Source) -> None:
    path = tmp_path / "m.bin"
    write_llama2c(float_model(), path)
    intact = path.read_bytes()
    for size in [*range(1, 29), 1000, len(intact) - 4, len(intact) - 1]:
        path.write_bytes(intact[:size])
        assert read(path, tokenizer) in ("source_size", "source_header")
    path.write_bytes(intact + bytes(4))
    assert read(path, tokenizer) == "source_size"


@pytest.mark.parametrize("field", range(7))
@pytest.mark.parametrize("value", [0, -1, 3, 1 << 20, (1 << 31) - 1, -(1 << 31)])
def test_header_fields_that_lie_are_refused(field: int, value: int, tmp_path: Path, tokenizer: Source) -> None:
    path = tmp_path / "m.bin"
    write_llama2c(float_model(), path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<i", data, 4 * field, value)
    path.write_bytes(data)
    assert read(path, tokenizer) in ("source_size", "source_header")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path, tokenizer: Source) -> None:
    model = float_model()
    damaged = model.tensors["layers.1.w2"].copy()
    damaged[3, 5] = value
    write_llama2c(with_tensors(model, {"layers.1.w2": damaged}), tmp_path / "m.bin")
    assert read(tmp_path / "m.bin", tokenizer) == "not_finite"


def test_things_that_are_not_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for odd in (tmp_path, tmp_path / "missing", tmp_path / "empty", Path("/dev/null"), "nul\0", "\udcff"):
        with pytest.raises(ConversionError) as caught:
            Source.open(odd)
        assert caught.value.code == "source_unreadable"


def test_tokenizer_has_the_pieces_of_its_source(tmp_path: Path) -> None:
    write_llama2c_tokenizer(tmp_path / "t.bin")
    assert llama2c_vocabulary(Source.open(tmp_path / "t.bin")).data == small_vocabulary()


def test_tokenizer_bin_gives_the_ids_of_the_sentencepiece_model(shared_data: Path) -> None:
    models = shared_data / "models"
    theirs, ours = (
        Tokenizer(llama2c_vocabulary(Source.open(models / f"stories260K_tok512.{ending}")))
        for ending in ("model", "bin")
    )
    text = (shared_data / "corpora" / "tinystories_heldout_en.txt").read_text(encoding="utf-8")[:50_000]
    for part in (text, "你好 🧪  \n\n", "Don't 123,456  stop"):
        assert ours.encode(part) == theirs.encode(part)


def test_damaged_tokenizers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.bin"
    write_llama2c_tokenizer(path)
    intact = path.read_bytes()
    piece = struct.calcsize("<fI")
    overflow = intact[:4] + struct.pack("<fI", 0, (1 << 32) - 1) + intact[4 + piece :]
    not_a_number = intact[:-9] + struct.pack("<fI", float("nan"), 1) + intact[-1:]
    not_utf8 = intact[:-1] + b"\xff"
    repeated = intact + intact[-9:]
    no_byte_pieces = intact.replace(b"<0x41>", b"<0y41>")
    cut = [intact[:size] for size in (1, 3, 4, 5, 11, len(intact) - 1)]
    for data in [*cut, intact + b"\0", overflow, not_a_number, not_utf8, repeated, no_byte_pieces]:
        path.write_bytes(data)
        with pytest.raises(ConversionError) as caught:
            llama2c_vocabulary(Source.open(path))
        assert caught.value.code == "vocabulary"
