"""Small random models of the reference library, one for each thing that families differ in."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from float_models import add_vocabulary, finish_gguf
from peers import peer
from small_vocabulary import SIZE, small_vocabulary

SHAPE = {
    "vocab_size": SIZE,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@dataclass(frozen=True, slots=True)
class Case:
    family: str  # of the class: "Llama", "Mistral", "Qwen2" or "Qwen3"
    keys: dict[str, Any] = field(default_factory=dict)  # of the configuration, besides SHAPE


CASES = {
    "llama-1": Case("Llama", {"num_key_value_heads": 4, "max_position_embeddings": 64}),
    "tinyllama": Case("Llama", {"rms_norm_eps": 1e-6}),
    "smollm2": Case(
        "Llama", {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e5}}
    ),
    "llama-3": Case("Llama", {"rope_parameters": LLAMA3}),
    "llama-3-tied": Case("Llama", {"rope_parameters": LLAMA3, "tie_word_embeddings": True, "head_dim": 24}),
    "linear": Case("Llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}}),
    "mistral": Case("Mistral", {"sliding_window": 7}),
    "mistral-all": Case("Mistral", {"sliding_window": None, "head_dim": 32}),
    "mistral-long": Case("Mistral", {"sliding_window": 4096, "num_key_value_heads": 1}),
    "qwen2": Case("Qwen2", {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    "qwen2-tied": Case("Qwen2", {"tie_word_embeddings": True, "num_key_value_heads": 1}),
    "qwen2-window": Case("Qwen2", {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 0}),
    "qwen2-late": Case("Qwen2", {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 3}),
    "qwen3": Case("Qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "qwen3-wide": Case("Qwen3", {"head_dim": 40, "num_key_value_heads": 4}),
}


def build(case: Case, seed: int = 3) -> Any:
    """The reference's model: random weights, gains and biases large enough to matter."""
    torch, transformers = peer("torch"), peer("transformers")
    transformers.logging.disable_progress_bar()
    config = getattr(transformers, f"{case.family}Config")(**SHAPE | case.keys, attn_implementation="eager")
    model = getattr(transformers, f"{case.family}ForCausalLM")(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            is_gain = tensor.ndim == 1 and not name.endswith(".bias")
            tensor.copy_(1 + 0.3 * noise if is_gain else noise * (0.5 if tensor.ndim == 1 else 0.2))
    return model


def save(model: Any, folder: Path, **options: Any) -> None:
    """As the reference saves it, with a vocabulary beside it."""
    model.save_pretrained(folder, **options)
    (folder / "tokenizer.model").write_bytes(small_vocabulary())


def logits(model: Any, ids: list[int]) -> np.ndarray:
    torch = peer("torch")
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def permuted(weights: np.ndarray, n_heads: int) -> np.ndarray:
    """What llama.cpp's converter does to wq and wk of the "llama" architecture."""
    shape = weights.shape
    return weights.reshape(n_heads, 2, shape[0] // n_heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def write_peer_gguf(model: Any, path: Path) -> None:
    """A GGUF file as llama.cpp's converter writes it: metadata, permutations, factors of Llama 3's scaling."""
    config = model.config
    architecture = "llama" if config.model_type == "mistral" else config.model_type
    writer = gguf.GGUFWriter(str(path), architecture)
    add_metadata(writer, config)
    add_vocabulary(writer, small_vocabulary())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config.num_hidden_layers)
    for theirs, tensor in model.state_dict().items():
        if theirs == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if architecture == "llama" and (".q_proj." in theirs or ".k_proj." in theirs):
            values = permuted(values, config.num_attention_heads if ".q_" in theirs else config.num_key_value_heads)
        writer.add_tensor(names.get_name(theirs, try_suffixes=(".weight", ".bias")), np.ascontiguousarray(values))
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config))
    finish_gguf(writer)


def add_metadata(writer: gguf.GGUFWriter, config: Any) -> None:
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_name("peer")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])
    if config.model_type == "mistral" and config.sliding_window:
        writer.add_sliding_window(config.sliding_window)
    writer.add_vocab_size(config.vocab_size)


def llama3_factors(config: Any) -> np.ndarray:
    """What llama.cpp's converter stores for each pair, in float32."""
    rope = config.rope_parameters
    factor, low, high, context = (
        rope[key] for key in ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
    )
    factors = []
    for i in range(0, config.head_dim, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (i / config.head_dim)
        if wave < context / high:
            factors.append(1.0)
        elif wave > context / low:
            factors.append(factor)
        else:
            smooth = (context / wave - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, np.float32)
