"""From a source checkpoint to a `.rail` file. The same sources and options give the same bytes on every machine."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference.convert import gguf, llama2c
from inference.convert.float_model import FloatModel
from inference.convert.quantise import quantise_model
from inference.convert.sources import Source
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

    A GGUF file carries its vocabulary; a llama2.c `.bin` needs `tokenizer`: a sentencepiece `.model`, or llama2.c's
    tokenizer `.bin`. `name` is the model's name for people, by default the source's base name without its ending.
    `progress` is called with a few words at each step. Raises ConversionError for what cannot be read or is not
    supported, TokenizerError for a vocabulary that is not, ModelFileError (`unwritable`) if `out` cannot be written.
    """
    checkpoint = Source.open(source)
    chosen_name = _default_name(checkpoint.name) if name is None else name
    progress(f"reading {checkpoint.name}")
    if gguf.is_gguf(checkpoint):
        kind, model = "gguf", gguf.read_checkpoint(checkpoint, chosen_name)
        if tokenizer is not None:
            raise ConversionError("tokenizer_twice", f"{checkpoint.name}: a GGUF file has its own vocabulary")
    elif llama2c.is_checkpoint(checkpoint):
        kind, model = "llama2.c", _read_llama2c(checkpoint, tokenizer, chosen_name)
    else:
        raise ConversionError(
            "unknown_format",
            f"{checkpoint.name}: not a model file of a known format; "
            "known are GGUF (versions 2 and 3) and the legacy .bin of llama2.c (not its later versions)",
        )
    _check_vocabulary(model)
    progress("quantising")
    quantised = quantise_model(model)
    progress(f"writing {Path(out).name}")
    provenance: dict[str, Any] = {
        "converter": CONVERTER,
        "options": {"name": chosen_name, "source_format": kind},
        "sources": dict(model.sources),
    }
    return write_model(out, quantised, model.tokenizer, model.chat_template, provenance)


def _read_llama2c(checkpoint: Source, tokenizer: str | Path | None, name: str) -> FloatModel:
    header = llama2c.read_header(checkpoint, name)
    if tokenizer is None:
        raise ConversionError(
            "tokenizer_missing",
            f"{checkpoint.name}: a llama2.c checkpoint has no vocabulary; name a tokenizer.model or a tokenizer.bin",
        )
    vocabulary = Source.open(tokenizer)
    if vocabulary.name == checkpoint.name:
        raise ConversionError("tokenizer_twice", f"{checkpoint.name}: checkpoint and tokenizer have the same name")
    return llama2c.read_checkpoint(header, vocabulary)


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


def _default_name(base_name: str) -> str:
    stem = base_name.rsplit(".", 1)[0] or base_name
    return re.sub(r"[^A-Za-z0-9._-]", "-", stem).lstrip("._-")[:64] or "model"
