"""Activations with outliers at 100 times the median: 8 bits stay within 1 % of float32, thanks to the rotations."""

from pathlib import Path

import numpy as np
import pytest
from float_models import with_tensors
from float_reference import float_logits, nll
from outliers import loud_hidden_units, loud_residual

from inference.convert import llama2c
from inference.convert.float_model import FloatModel
from inference.convert.options import ConvertOptions
from inference.convert.pipeline import stored_config, write_integers
from inference.convert.sources import Source
from inference.engine import Engine
from inference.modelfile import ModelFile
from inference.modelwriter import ModelWriter
from inference.tokenizer import Tokenizer

FACTOR = 100
LOUD_UNITS = 4  # of each layer's hidden units
FFN_WIDTH, WIDTH = 512, 4096  # as in large models: a power of two divides both that spreads an outlier thin
STORIES = 8
CHECKPOINT, TOKENIZER = "stories260K.bin", "stories260K_tok512.model"


def engine_of(model: FloatModel, options: ConvertOptions, path: Path) -> Engine:
    config = stored_config(model.config, options)
    with ModelWriter(
        path, config, model.vocabulary, None, {"converter": "tests", "options": {}, "sources": {}}
    ) as writer:
        writer.finish(write_integers(writer, model, config, options, None, lambda *step: None))
    return Engine(ModelFile.open(path, use_cache=False))


def float_nats(model: FloatModel, texts: list[list[int]]) -> float:
    return sum(nll(float_logits(model, ids), ids) for ids in texts)


def integer_nats(engine: Engine, texts: list[list[int]]) -> float:
    return sum(nll(engine.logits(ids) / np.float64(1 << 16), ids) for ids in texts)


def test_loud_channels_cost_less_than_one_percent(shared_data: Path, tmp_path: Path) -> None:
    """Perplexity of the integer engine over that of the planted float model."""
    checkpoint, tokenizer = shared_data / "models" / CHECKPOINT, shared_data / "models" / TOKENIZER
    if not checkpoint.exists():
        pytest.skip(f"no {checkpoint}: outliers are planted in a real model")
    source = llama2c.read_checkpoint(llama2c.read_header(Source.open(checkpoint), "m"), Source.open(tokenizer))
    model = with_tensors(source, dict(source.tensors))
    corpus = (shared_data / "corpora" / "tinystories_heldout_en.txt").read_text(encoding="utf-8")
    stories = [story.strip() for story in corpus.split("<|endoftext|>") if story.strip()][:STORIES]
    encode = Tokenizer(model.vocabulary).encode
    texts = [encode(story)[: model.config.context_tokens] for story in stories]
    tokens = sum(len(ids) - 1 for ids in texts)

    units = loud_hidden_units(model, FACTOR, LOUD_UNITS, FFN_WIDTH)
    assert np.allclose(float_logits(units, texts[0]), float_logits(model, texts[0]), atol=0.01)
    planted = loud_residual(units, FACTOR, WIDTH, texts[0])
    streams: list[np.ndarray] = []
    float_logits(planted, texts[0], streams)
    median = np.median(np.abs(np.concatenate(streams)))
    assert all((np.abs(stream).max(axis=1) > 0.9 * FACTOR * median).all() for stream in streams)
    before, reference = float_nats(model, texts), float_nats(planted, texts)
    assert np.exp((reference - before) / tokens) < 1.2, "the planted model is no language model any more"

    ratios = {}
    for rotate in (True, False):
        engine = engine_of(planted, ConvertOptions(rotate=rotate, rotate_ffn=rotate), tmp_path / f"{rotate}.rail")
        ratios[rotate] = np.exp((integer_nats(engine, texts) - reference) / tokens)
    print(f"perplexity over float32: {ratios[True]:.4f}, without rotations {ratios[False]:.4f}")
    assert ratios[True] < 1.01
    assert ratios[False] > 1.05
