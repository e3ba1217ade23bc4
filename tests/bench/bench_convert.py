"""Time and peak memory of converting a large model: a Hugging Face folder of the shape of Llama 2 7B, in BF16.

    .venv/bin/python tests/bench/bench_convert.py [--layers 32] [--shrink 1] [--bits 8] [--folder DIR]

The weights are a few random megabytes over and over. The conversion runs in a process of its own. With all layers it
takes 21 GB of disk.
"""

import argparse
import json
import platform
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "inference")]

from small_vocabulary import small_vocabulary  # noqa: E402

DIM, HEADS, FFN, VOCAB, CONTEXT = 4096, 32, 11008, 32000, 4096


def tensors_of(layer: int | None, dim: int, ffn: int, vocab: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a layer's tensors, or of those that belong to none."""
    if layer is None:
        return {"model.embed_tokens.weight": (vocab, dim), "model.norm.weight": (dim,), "lm_head.weight": (vocab, dim)}
    p = f"model.layers.{layer}."
    shapes: dict[str, tuple[int, ...]] = {f"{p}self_attn.{x}_proj.weight": (dim, dim) for x in "qkvo"}
    shapes |= {f"{p}mlp.{x}_proj.weight": (ffn, dim) for x in ("gate", "up")}
    shapes |= {f"{p}mlp.down_proj.weight": (dim, ffn)}
    return shapes | {f"{p}{x}_layernorm.weight": (dim,) for x in ("input", "post_attention")}


def write_shard(path: Path, shapes: dict[str, tuple[int, ...]], noise: bytes) -> None:
    header, offset = {}, 0
    for name, shape in shapes.items():
        end = offset + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for start in range(0, offset, len(noise)):
            file.write(noise[: min(len(noise), offset - start)])


def write_model(folder: Path, layers: int, shrink: int) -> int:
    """A folder of that many layers, widths and vocabulary divided by `shrink`; the number of its weights."""
    dim, ffn, vocab = DIM // shrink, FFN // shrink, VOCAB // shrink
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": dim, "intermediate_size": ffn,
              "num_hidden_layers": layers, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
              "vocab_size": vocab, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "hidden_act": "silu", "tie_word_embeddings": False, "model_type": "llama", "bos_token_id": 1,
              "eos_token_id": 2}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.model").write_bytes(small_vocabulary())
    values = np.random.default_rng(1).normal(0, 0.02, 1 << 21).astype(np.float32)
    noise = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    weights, places = 0, {}
    for layer in (None, *range(layers)):
        shapes = tensors_of(layer, dim, ffn, vocab)
        shard = f"model-{'rest' if layer is None else layer}.safetensors"
        write_shard(folder / shard, shapes, noise)
        places |= dict.fromkeys(shapes, shard)
        weights += sum(int(np.prod(shape)) for shape in shapes.values())
    index = {"metadata": {"total_size": 2 * weights}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--shrink", type=int, default=1, help="divide widths and vocabulary, to try the script")
    parser.add_argument("--bits", choices=("8", "4"), default="8")
    parser.add_argument("--folder", help="where to put the source and the result. [default: a temporary folder]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        source, out = Path(place) / "seven", Path(place) / "seven.rail"
        source.mkdir()
        weights = write_model(source, options.layers, options.shrink)
        command = [sys.executable, "-m", "web.cli", "convert", str(source), str(out)]
        command += ["--bits", options.bits, "--nearest"]
        started = time.monotonic()
        subprocess.run(command, check=True, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        size = out.stat().st_size / 1e9
    print(f"machine  {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"command  python {' '.join(sys.argv)}")
    print(f"{'layers':>8}{'weights':>10}{'bits':>6}{'result':>10}{'seconds':>9}{'peak memory':>13}")
    print(f"{options.layers:>8}{weights / 1e9:>8.2f} G{options.bits:>6}{size:>7.2f} GB{seconds:>9.0f}{peak:>10.0f} MB")


if __name__ == "__main__":
    main()
