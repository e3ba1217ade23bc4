"""From a source checkpoint to a `.rail` file. The same sources and options give the same bytes on every machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference.convert.float_model import FloatModel
from inference.convert.formats import read_checkpoint
from inference.convert.quantise import quantise_model
from inference.errors import ConversionError
from inference.modelwriter import write_model
from inference.tokenizer import Tokenizer

CONVERTER = "rail-convert/1"  # changes whenever the bytes of a converted model do

Progress = Callable[[str], None]


def convert(
    source: str | Path,
    out: str | Path,
    tokenizer: str | Path | None = None,
    name: str | None = None,
    progress: Progress = lambda step: None,
) -> bytes:
    """Convert a checkpoint, write `out`, and return the model root.

    `source` is a Hugging Face folder, a GGUF file, or a llama2.c `.bin`; only the last needs `tokenizer`, see
    `read_checkpoint`. `name` is the model's name for people, by default the source's base name without its ending.
    `progress` is called with a few words at each step. Raises ConversionError for what cannot be read or is not
    supported, TokenizerError for a vocabulary that is not, ModelFileError (`unwritable`) if `out` cannot be written.
    """
    progress(f"reading {Path(source).name}")
    checkpoint = read_checkpoint(source, tokenizer, name)
    model = checkpoint.model
    _check_vocabulary(model)
    progress("quantising")
    quantised = quantise_model(model)
    progress(f"writing {Path(out).name}")
    provenance: dict[str, Any] = {
        "converter": CONVERTER,
        "options": {"name": checkpoint.name, "source_format": checkpoint.format},
        "sources": dict(model.sources),
    }
    return write_model(out, quantised, model.tokenizer, model.chat_template, provenance)


def _check_vocabulary(model: FloatModel) -> None:
    """The vocabulary must load, give every text back, and be the one that the embedding was made for."""
    vocabulary = Tokenizer(model.tokenizer)
    config = model.config
    stated = (config.vocab_size, config.bos_id, config.eos_id)
    found = (vocabulary.vocab_size, vocabulary.bos_id, vocabulary.eos_id)
    if stated != found:
        raise ConversionError(
            "tokenizer_mismatch",
            f"the vocabulary has (pieces, BOS, EOS) = {found}, the model needs {stated}; it belongs to another model",
        )
