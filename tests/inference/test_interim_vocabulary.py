"""Sentencepiece vocabularies embedded in GGUF files: llama.cpp's own token ids, and refusal of other kinds."""

from dataclasses import replace
from pathlib import Path

import gguf
import pytest
import sentencepiece
from float_models import add_tensors, finish_gguf, float_model, gguf_writer

from inference.convert.gguf import read_checkpoint
from inference.convert.gguf_container import read_container
from inference.convert.interim import gguf_vocabulary
from inference.convert.sources import Source
from inference.errors import ConversionError


def test_llama_cpp_gives_the_same_token_ids(shared_data: Path) -> None:
    """llama.cpp's own vectors for the Llama vocabulary, which is the first 32,000 pieces of Phi-3's."""
    folder = shared_data / "models" / "llama_cpp_vocab"
    container = read_container(Source.open(folder / "ggml-vocab-phi-3.gguf"))
    llama = dict(container.metadata)
    for key in ("tokens", "scores", "token_type"):
        llama[f"tokenizer.ggml.{key}"] = llama[f"tokenizer.ggml.{key}"][:32_000]
    llama["tokenizer.ggml.eos_token_id"] = 2
    vocabulary = gguf_vocabulary(replace(container, metadata=llama))
    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.data)
    texts = (folder / "ggml-vocab-llama-spm.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = (folder / "ggml-vocab-llama-spm.gguf.out").read_text().split("\n")
    assert len(texts) == len(lines) == 47
    for text, line in zip(texts, lines, strict=True):
        assert pieces.encode(text) == [int(id) for id in line.split()], ascii(text)


def test_byte_pair_vocabulary_is_refused_by_name(shared_data: Path) -> None:
    container = read_container(Source.open(shared_data / "models" / "llama_cpp_vocab" / "ggml-vocab-gpt-2.gguf"))
    with pytest.raises(ConversionError, match=r"tokenizer\.ggml\.model = 'gpt2'"):
        gguf_vocabulary(container)


@pytest.mark.parametrize("key", ["precompiled_charsmap", "remove_extra_whitespaces"])
def test_what_would_change_the_text_is_refused_by_name(key: str, tmp_path: Path) -> None:
    writer = gguf_writer(float_model(), tmp_path / "m.gguf")
    getattr(gguf.GGUFWriter, f"add_{key}")(writer, b"x" if key == "precompiled_charsmap" else True)
    add_tensors(writer, float_model())
    finish_gguf(writer)
    with pytest.raises(ConversionError, match=key):
        read_checkpoint(Source.open(tmp_path / "m.gguf"), "m")
