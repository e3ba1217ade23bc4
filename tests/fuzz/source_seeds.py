"""Files for the fuzz targets to start from, made by code: small ones of every kind that the readers know."""

import json
import struct
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "inference"))

from float_models import (
    FOLDER_NAMES,
    add_tensors,
    finish_gguf,
    float_model,
    folder_config,
    gguf_writer,
    named,
    safetensors_file,
    write_llama2c,
    write_llama2c_tokenizer,
)

from inference.convert.dequantise import TENSOR_TYPES

TINY = {"dim": 4, "n_layers": 1, "n_heads": 2, "n_kv_heads": 1, "head_dim": 2, "ffn_dim": 4, "context_tokens": 8}
FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


def seeds() -> dict[str, list[bytes]]:
    """By the names of the targets."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            "gguf": _gguf(Path(folder)),
            "safetensors": _safetensors(),
            "config": _configs(),
            "index": _indexes(),
            "llama2c": _llama2c(Path(folder)),
        }


def _gguf(folder: Path) -> list[bytes]:
    found, path = [], folder / "m.gguf"
    for family in FAMILIES:
        model = float_model(family=family, **TINY, window_tokens=3 if family == "mistral" else 0)
        writer = gguf_writer(model, path)
        if family == "llama":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(2.0)
            writer.add_chat_template("{{ messages }}")
            writer.add_tensor("rope_freqs.weight", np.ones(1, np.float32))
        add_tensors(writer, model, "F16" if family == "qwen2" else "F32")
        finish_gguf(writer)
        found.append(path.read_bytes())
    for number, kind in TENSOR_TYPES.items():
        found.append(_container(number, kind.block_values, kind.block.itemsize))
    return found


def _container(number: int, block_values: int, block_bytes: int) -> bytes:
    """One tensor of two blocks, and metadata of every type."""

    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    widths = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    entries = [text(b"s%d" % kind) + struct.pack("<I", kind) + b"\1" * width for kind, width in widths.items()]
    entries += [
        text(b"a%d" % kind) + struct.pack("<IIQ", 9, kind, 3) + b"\1" * 3 * width for kind, width in widths.items()
    ]
    entries += [
        text(b"t") + struct.pack("<I", 8) + text(b"text"),
        text(b"u") + struct.pack("<IIQ", 9, 8, 1) + text(b""),
    ]
    front = b"GGUF" + struct.pack("<IQQ", 2, 1, len(entries)) + b"".join(entries)
    front += text(b"x") + struct.pack("<IQQIQ", 2, block_values, 2, number, 0)
    return front + bytes(-len(front) % 32) + bytes(range(2 * block_bytes % 256)) + bytes(2 * block_bytes & ~255)


def _safetensors() -> list[bytes]:
    tensors = named(float_model(**TINY), FOLDER_NAMES, "model.layers", halves=True)
    small = [("a", np.ones(3, np.float32)), ("b", np.ones((2, 2), np.float32)), ("c", np.ones((0, 4), np.float32))]
    return [safetensors_file(tensors), *(safetensors_file(small, kind) for kind in ("F32", "F16", "BF16"))]


def _configs() -> list[bytes]:
    llama3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4, "original_max_position_embeddings": 32}
    qwen2 = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    more: list[dict[str, object]] = [
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_scaling": {"rope_type": "llama3", **llama3}},
        {"rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, **llama3}},
        {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0, **qwen2},
        {"layer_types": ["full_attention"], "attention_bias": False, "eos_token_id": [1, 2]},
    ]
    plain = [folder_config(float_model(family=family, **TINY)) for family in FAMILIES]
    return [json.dumps(config).encode() for config in [*plain, *(plain[0] | keys for keys in more)]]


def _indexes() -> list[bytes]:
    weight_map = {"model.norm.weight": "model-00001-of-00002.safetensors", "lm_head.weight": "b.safetensors"}
    templates = [{"name": "default", "template": "{{ a }}"}, {"name": "tools", "template": ""}]
    tables = [
        {"weight_map": weight_map, "metadata": {"total_size": 1}},
        {"chat_template": "a"},
        {"chat_template": templates},
    ]
    return [json.dumps(table).encode() for table in tables]


def _llama2c(folder: Path) -> list[bytes]:
    found, path = [], folder / "m.bin"
    for tied in (False, True):
        write_llama2c(float_model(tied, **TINY), path)
        found.append(path.read_bytes())
    write_llama2c_tokenizer(path)
    return [*found, path.read_bytes()]
