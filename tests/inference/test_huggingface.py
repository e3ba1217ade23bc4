"""Hugging Face folders: exact tensors in our order of rows, several files, and refusal of what does not fit."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from float_models import FOLDER_NAMES, float_model, named, safetensors_file, with_tensors, write_folder, write_gguf

from inference.convert.formats import Checkpoint, read_checkpoint
from inference.convert.hf_template import chat_template
from inference.convert.huggingface import read_folder
from inference.errors import ConversionError

INDEX = "model.safetensors.index.json"


def refuse(folder: Path) -> ConversionError:
    with pytest.raises(ConversionError) as caught:
        read_folder(folder, "small")
    return caught.value


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("kind", "files"), [("F32", 1), ("F16", 1), ("F16", 3)])
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_tensors_come_back_in_our_order(family: str, kind: str, files: int, tied: bool, tmp_path: Path) -> None:
    model = float_model(tied, family, head_dim=24, window_tokens=5 if family == "mistral" else 0)
    write_folder(model, tmp_path, kind, files)
    found = read_folder(tmp_path, "small")
    assert found.config == model.config
    assert found.rope_frequencies == model.rope_frequencies
    assert found.vocabulary == model.vocabulary
    assert found.tensors.keys() == model.tensors.keys()
    assert all(np.array_equal(found.tensor(name), tensor) for name, tensor in model.tensors.items())


def test_folder_and_gguf_of_one_model_are_one_model(tmp_path: Path) -> None:
    for family in ("llama", "qwen2", "qwen3"):
        model = float_model(family=family)
        write_folder(model, tmp_path / "folder")
        write_gguf(model, tmp_path / "m.gguf")
        one = read_checkpoint(tmp_path / "folder", None, "small").model
        two = read_checkpoint(tmp_path / "m.gguf", None, "small").model
        assert (one.config, one.rope_frequencies) == (two.config, two.rope_frequencies)
        assert all(np.array_equal(one.tensor(name), two.tensor(name)) for name in model.tensors)


def test_all_that_was_read_is_named_by_digest(tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path, files=2)
    (tmp_path / "README.md").write_text("not read")
    found = read_folder(tmp_path, "small").sources
    names = {"config.json", "tokenizer.model", INDEX, *(f"model-0000{n}-of-00002.safetensors" for n in (1, 2))}
    assert found == {name: hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in names}


@pytest.mark.parametrize("files", [1, 2])
def test_a_folder_may_be_named_by_its_files(files: int, tmp_path: Path) -> None:
    folder = tmp_path / "Some Model.v1"
    write_folder(float_model(), folder, files=files)
    expected = read_checkpoint(folder, None, None)
    assert (expected.format, expected.name, expected.model.config.name) == (
        "huggingface",
        "Some-Model.v1",
        "Some-Model.v1",
    )
    for file in ("config.json", *(path.name for path in folder.glob("*.safetensors*"))):
        found = read_checkpoint(folder / file, None, None)
        assert (found.name, found.model.sources) == (expected.name, expected.model.sources)


def test_another_safetensors_file_of_the_folder_can_be_asked_for(tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path)
    other = float_model(seed=8)
    (tmp_path / "other.safetensors").write_bytes(safetensors_file(named(other, FOLDER_NAMES, "model.layers", True)))
    found = read_checkpoint(tmp_path / "other.safetensors", None, None).model
    assert np.array_equal(found.tensor("layers.0.wq"), other.tensors["layers.0.wq"])
    assert "model.safetensors" not in found.sources


def test_a_copy_of_tied_embeddings_is_dropped_and_another_head_is_refused(tmp_path: Path) -> None:
    model = float_model()
    same = with_tensors(model, {"head": model.tensors["tok_embed"]})
    write_folder(same, tmp_path, tie_word_embeddings=True)
    assert "head" not in read_folder(tmp_path, "small").tensors
    write_folder(model, tmp_path, tie_word_embeddings=True)
    assert "lm_head.weight is not a copy" in str(refuse(tmp_path))


def test_a_missing_head_is_not_taken_for_a_tied_one(tmp_path: Path) -> None:
    write_folder(float_model(tied=True), tmp_path, tie_word_embeddings=False)
    error = refuse(tmp_path)
    assert (error.code, "lm_head.weight" in str(error)) == ("tensor_set", True)


def tensors_of(folder: Path, change: Any) -> None:
    tensors = dict(named(float_model(), FOLDER_NAMES, "model.layers", True))
    change(tensors)
    (folder / "model.safetensors").write_bytes(safetensors_file(list(tensors.items())))


Q = "model.layers.0.self_attn.q_proj"
ONES = np.ones(64, np.float32)


@pytest.mark.parametrize(
    ("change", "code", "name"),
    [
        (lambda t: t.pop("model.norm.weight"), "tensor_set", "norm_final"),
        (lambda t: t.update({f"{Q}.bias": ONES}), "tensor_set", "layers.0.wq.bias"),
        (lambda t: t.update({"model.layers.0.self_attn.o_proj.bias": ONES}), "unsupported", "o_proj.bias"),
        (lambda t: t.update({"model.layers.2.mlp.up_proj.weight": ONES}), "tensor_set", "layers.2.w3"),
        (lambda t: t.update({"model.layers.00.mlp.up_proj.weight": ONES}), "unsupported", "layers.00."),
        (lambda t: t.update({"model.layers.0.block_sparse_moe.gate.weight": ONES}), "unsupported", "block_sparse_moe"),
        (lambda t: t.update({"score.weight": ONES}), "unsupported", "score.weight"),
        (lambda t: t.update({f"{Q}.weight": t[f"{Q}.weight"][:32]}), "tensor_shape", "layers.0.wq"),
        (lambda t: t.update({f"{Q}.weight": t[f"{Q}.weight"].reshape(-1)}), "tensor_shape", "layers.0.wq"),
    ],
)
def test_other_tensors_are_refused_by_name(change: Any, code: str, name: str, tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path)
    tensors_of(tmp_path, change)
    error = refuse(tmp_path)
    assert (error.code, name in str(error)) == (code, True)


def test_rotary_tables_of_old_checkpoints_are_skipped(tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path)
    tensors_of(tmp_path, lambda t: t.update({"model.layers.0.self_attn.rotary_emb.inv_freq": ONES[:8]}))
    assert read_folder(tmp_path, "small").config == float_model().config


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_when_they_are_taken(value: float, tmp_path: Path) -> None:
    damaged = float_model().tensors["layers.1.wk"].copy()
    damaged[3, 5] = value
    write_folder(with_tensors(float_model(), {"layers.1.wk": damaged}), tmp_path)
    with pytest.raises(ConversionError, match=r"layers\.1\.wk") as caught:
        read_folder(tmp_path, "small").tensor("layers.1.wk")
    assert caught.value.code == "not_finite"


def index_of(folder: Path, change: Any) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))


FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda m: m.clear(), "safetensors_index"),
        (lambda m: m.pop("model.norm.weight"), "safetensors_index"),
        (lambda m: m.update({"model.new.weight": FIRST}), "safetensors_index"),
        (lambda m: m.update({"model.embed_tokens.weight": SECOND}), "safetensors_index"),
        (lambda m: m.update({"lm_head.weight": "../model.safetensors"}), "safetensors_index"),
        (lambda m: m.update({"lm_head.weight": "/etc/passwd"}), "safetensors_index"),
        (lambda m: m.update({"lm_head.weight": "model.bin"}), "safetensors_index"),
        (lambda m: m.update({"lm_head.weight": 3}), "safetensors_index"),
        (lambda m: m.update({"lm_head.weight": "missing.safetensors"}), "source_unreadable"),
        (lambda m: m.update({f"t{n}": f"f{n}.safetensors" for n in range(50)}), "safetensors_index"),
    ],
)
def test_an_index_that_does_not_fit_its_files_is_refused(change: Any, code: str, tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path, files=2)
    index_of(tmp_path, change)
    assert refuse(tmp_path).code == code


def test_folders_without_weights_or_configuration_are_refused(tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    error = refuse(tmp_path)
    assert (error.code, "safetensors" in str(error)) == ("weights_missing", True)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ConversionError, match=r"config\.json") as caught:
        read_checkpoint(tmp_path, None, None)
    assert caught.value.code == "unknown_format"
    with pytest.raises(ConversionError) as caught:
        read_checkpoint(tmp_path / "config.json", None, None)
    assert caught.value.code == "source_unreadable"


def test_a_tokenizer_for_a_folder_is_refused(tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path)
    with pytest.raises(ConversionError) as caught:
        read_checkpoint(tmp_path, tmp_path / "tokenizer.model", None)
    assert caught.value.code == "tokenizer_twice"


def test_a_bad_name_is_refused(tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path)
    for name in ("", "a/b"):
        with pytest.raises(ConversionError, match="name"):
            read_checkpoint(tmp_path, None, name)


def found(folder: Path) -> Checkpoint:
    return read_checkpoint(folder, None, None)


def test_chat_template_is_the_file_or_the_key(tmp_path: Path) -> None:
    write_folder(float_model(), tmp_path)
    assert found(tmp_path).model.chat_template is None
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "{{ one }}", "model_max_length": 1e30}')
    assert found(tmp_path).model.chat_template == "{{ one }}"
    several = [{"name": "tool_use", "template": "{{ tools }}"}, {"name": "default", "template": "{{ two }}"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": several}))
    assert found(tmp_path).model.chat_template == "{{ two }}"
    (tmp_path / "chat_template.jinja").write_text("{{ three }}")
    assert found(tmp_path).model.chat_template == "{{ three }}"
    assert "chat_template.jinja" in found(tmp_path).model.sources


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("chat_template.jinja", b"\xff"),
        ("tokenizer_config.json", b"[]"),
        ("tokenizer_config.json", b'{"chat_template": 3}'),
        ("tokenizer_config.json", b'{"chat_template": [{"name": "default", "template": 3}]}'),
        ("tokenizer_config.json", b'{"chat_template": "a", "chat_template": "b"}'),
    ],
)
def test_bad_chat_templates_are_refused(file: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ConversionError, match=file) as caught:
        chat_template(tmp_path)
    assert caught.value.code == "chat_template"
