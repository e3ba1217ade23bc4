"""The converter as a whole: reproducible bytes, provenance, and its refusals."""

import hashlib
import struct
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from float_models import float_model, write_gguf, write_llama2c, write_llama2c_tokenizer
from small_vocabulary import small_vocabulary
from test_engine import finish

from inference.convert.options import ConvertOptions
from inference.convert.pipeline import CONVERTER, convert
from inference.engine import Engine
from inference.errors import ConversionError, ModelFileError, TokenizerError
from inference.modelfile import ModelFile
from inference.sampling import SamplingParams


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    write_llama2c(float_model(), tmp_path / "small.bin")
    write_llama2c_tokenizer(tmp_path / "tok.bin")
    (tmp_path / "tok.model").write_bytes(small_vocabulary())
    write_gguf(float_model(), tmp_path / "small.gguf")
    return tmp_path


def test_separate_processes_in_other_folders_write_the_same_bytes(sources: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from inference.convert.pipeline import convert; convert(sys.argv[1], sys.argv[2], sys.argv[3])"
    )
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "small.bin"
    copy.write_bytes((sources / "small.bin").read_bytes())
    for source, out in ((sources / "small.bin", "one.rail"), (copy, "two.rail")):
        command = [sys.executable, "-c", script, str(source), str(tmp_path / out), str(sources / "tok.bin")]
        subprocess.run(command, check=True)
    assert (tmp_path / "one.rail").read_bytes() == (tmp_path / "two.rail").read_bytes()


def test_provenance_names_sources_by_digest(sources: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    paths = (sources / "small.bin", sources / "m.rail", sources / "tok.bin")
    root = convert(*paths, progress=lambda *step: steps.append(step))
    model = ModelFile.open(sources / "m.rail", expected_root=root)
    assert model.provenance == {
        "converter": CONVERTER,
        "options": {"name": "small", "source_format": "llama2.c", **asdict(ConvertOptions())},
        "sources": {name: hashlib.sha256((sources / name).read_bytes()).digest() for name in ("small.bin", "tok.bin")},
    }
    assert model.config.name == "small"
    weights = [done for step, done, _ in steps if step == "quantising to 8 bits"]
    assert weights == sorted(weights)
    assert weights[-1] == steps[-2][2]
    assert str(sources).encode() not in (sources / "m.rail").read_bytes()


def test_converted_models_run_and_replay(sources: Path) -> None:
    for source, tokenizer in (("small.bin", "tok.bin"), ("small.bin", "tok.model"), ("small.gguf", None)):
        convert(sources / source, sources / "m.rail", tokenizer and sources / tokenizer)
        engine = Engine(ModelFile.open(sources / "m.rail"), threads=1)
        run, _ = finish(engine.generate(engine.encode_prompt("the"), SamplingParams(max_tokens=20)))
        assert engine.replay(run).verdict == "match"


def test_gguf_and_llama2c_give_the_same_integers(sources: Path) -> None:
    convert(sources / "small.bin", sources / "a.rail", sources / "tok.bin")
    convert(sources / "small.gguf", sources / "b.rail")
    a, b = ModelFile.open(sources / "a.rail"), ModelFile.open(sources / "b.rail")
    assert (a.config, a.exponents, a.vocabulary.data) == (b.config, b.exponents, b.vocabulary.data)
    assert all(a.tensors[name].tobytes() == tensor.tobytes() for name, tensor in b.tensors.items())
    assert a.root != b.root  # the provenance differs


@pytest.mark.parametrize("options", [ConvertOptions(layer_bits=4), ConvertOptions(4, 4, rotate=False)], ids=str)
def test_four_bits_are_reproducible_and_run(options: ConvertOptions, sources: Path) -> None:
    small, vocabulary = sources / "small.bin", sources / "tok.bin"
    roots = [convert(small, sources / out, vocabulary, options=options) for out in ("a.rail", "b.rail")]
    assert roots[0] == roots[1]
    assert sorted(path.name for path in sources.iterdir() if "rail" in path.name) == ["a.rail", "b.rail"]
    model = ModelFile.open(sources / "a.rail")
    assert (model.config.layer_bits, model.config.head_bits) == (4, options.head_bits)
    engine = Engine(model, threads=1)
    run, _ = finish(engine.generate(engine.encode_prompt("the"), SamplingParams(max_tokens=20)))
    assert engine.replay(run).verdict == "match"


def test_name_is_an_option(sources: Path) -> None:
    convert(sources / "small.bin", sources / "m.rail", sources / "tok.bin", name="another")
    assert ModelFile.open(sources / "m.rail").config.name == "another"
    odd = sources / "..名 字.v2.bin"
    odd.write_bytes((sources / "small.bin").read_bytes())
    convert(odd, sources / "m.rail", sources / "tok.bin")
    assert ModelFile.open(sources / "m.rail").config.name == "v2"
    with pytest.raises(ConversionError, match="name"):
        convert(sources / "small.bin", sources / "m.rail", sources / "tok.bin", name="a/b")


def test_licence_is_kept_where_it_was_stated(sources: Path) -> None:
    convert(sources / "small.bin", sources / "m.rail", sources / "tok.bin")
    assert "licence" not in ModelFile.open(sources / "m.rail").provenance["options"]
    convert(sources / "small.bin", sources / "m.rail", sources / "tok.bin", licence="Apache-2.0 OR MIT")
    assert ModelFile.open(sources / "m.rail").provenance["options"]["licence"] == "Apache-2.0 OR MIT"
    for wrong in ("", "Apache 2\n", "x" * 101, "MIT "):
        with pytest.raises(ConversionError, match="SPDX"):
            convert(sources / "small.bin", sources / "m.rail", sources / "tok.bin", licence=wrong)


@pytest.mark.parametrize(
    ("source", "tokenizer", "code"),
    [
        ("small.bin", None, "tokenizer_missing"),
        ("small.gguf", "tok.bin", "tokenizer_twice"),
        ("small.bin", "small.bin", "tokenizer_twice"),
        ("tok.bin", "tok.model", "unknown_format"),
        ("small.bin", "missing.model", "source_unreadable"),
        ("missing.bin", "tok.model", "source_unreadable"),
    ],
)
def test_sources_that_do_not_fit(source: str, tokenizer: str | None, code: str, sources: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(sources / source, sources / "m.rail", tokenizer and sources / tokenizer)
    assert caught.value.code == code
    assert not (sources / "m.rail").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"root:x:0:0:root:/root:/bin/bash\n" * 20,
        b"{}",
        bytes(10),
        bytes(4096),
        b"\xff" * 4096,
        b"PK\3\4" + bytes(4096),  # a PyTorch checkpoint is a ZIP archive
        struct.pack("<I", 0x616B3432) + struct.pack("<i", 1) + bytes(4096),  # llama2.c's later format
        struct.pack("<Q", 60) + b'{"__metadata__":{"format":"pt"}}' + bytes(4096),  # safetensors
        b"\x89RAIL\r\n\x1a\1" + bytes(4096),
    ],
    ids=["text", "json", "short", "zeros", "ones", "zip", "llama2.c-1", "safetensors", "rail"],
)
@pytest.mark.parametrize("tokenizer", [None, "tok.bin"])
def test_what_is_no_checkpoint_is_refused_before_a_vocabulary_is_asked_for(
    content: bytes, tokenizer: str | None, sources: Path
) -> None:
    (sources / "odd").write_bytes(content)
    with pytest.raises(ConversionError, match=r"known are GGUF .* llama2\.c") as caught:
        convert(sources / "odd", sources / "m.rail", tokenizer and sources / tokenizer)
    assert caught.value.code == "unknown_format"


def test_checkpoint_that_is_cut_short_is_refused_before_a_vocabulary_is_asked_for(sources: Path) -> None:
    (sources / "cut.bin").write_bytes((sources / "small.bin").read_bytes()[:-1])
    with pytest.raises(ConversionError) as caught:
        convert(sources / "cut.bin", sources / "m.rail")
    assert caught.value.code == "source_size"


def test_vocabulary_of_another_model_is_refused(sources: Path, shared_data: Path) -> None:
    with pytest.raises(ConversionError) as caught:
        convert(sources / "small.bin", sources / "m.rail", shared_data / "models" / "stories260K_tok512.model")
    assert caught.value.code == "tokenizer_mismatch"


def test_vocabulary_that_does_not_load_is_refused(sources: Path) -> None:
    (sources / "bad.model").write_bytes(b"not a vocabulary")
    with pytest.raises(TokenizerError):
        convert(sources / "small.bin", sources / "m.rail", sources / "bad.model")


def test_place_that_cannot_be_written_is_a_clear_error(sources: Path) -> None:
    with pytest.raises(ModelFileError) as caught:
        convert(sources / "small.bin", sources / "missing" / "m.rail", sources / "tok.bin")
    assert caught.value.code == "unwritable"
