"""Which kind of checkpoint a path is, and its reader."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from inference.convert import gguf, huggingface, llama2c
from inference.convert.float_model import FloatModel
from inference.convert.hf_weights import INDEX
from inference.convert.sources import Source
from inference.errors import ConversionError

_KNOWN = (
    "known are GGUF (versions 2 and 3), the legacy .bin of llama2.c (not its later versions), and Hugging Face folders "
    "with config.json and safetensors"
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    format: str  # "gguf", "huggingface" or "llama2.c"
    name: str  # the model's name for people
    model: FloatModel


def read_checkpoint(path: str | Path, tokenizer: str | Path | None, name: str | None) -> Checkpoint:
    """The model at `path`: a file, or a folder that may also be named by its `config.json` or safetensors file.

    `tokenizer` is for llama2.c checkpoints alone: a sentencepiece `.model`, or llama2.c's tokenizer `.bin`. Without
    `name`, the model is named after its file or folder. Raises ConversionError.
    """
    if (place := _folder(path)) is not None:
        folder, file = place
        if tokenizer is not None:
            raise ConversionError("tokenizer_twice", f"{folder.name}: a Hugging Face folder has its own vocabulary")
        chosen = _default_name(folder.name) if name is None else name
        return Checkpoint("huggingface", chosen, huggingface.read_folder(folder, chosen, file))
    source = Source.open(path)
    chosen = _default_name(source.name.rsplit(".", 1)[0] or source.name) if name is None else name
    if gguf.is_gguf(source):
        if tokenizer is not None:
            raise ConversionError("tokenizer_twice", f"{source.name}: a GGUF file has its own vocabulary")
        return Checkpoint("gguf", chosen, gguf.read_checkpoint(source, chosen))
    if llama2c.is_checkpoint(source):
        return Checkpoint("llama2.c", chosen, _read_llama2c(source, tokenizer, chosen))
    raise ConversionError("unknown_format", f"{source.name}: not a model file of a known format; {_KNOWN}")


def _folder(path: str | Path) -> tuple[Path, str | None] | None:
    """The Hugging Face folder that a path names, and the safetensors file if it names one; None for another file."""
    place = Path(os.path.abspath(path))
    if place.is_dir():
        if not (place / huggingface.CONFIG).exists():
            raise ConversionError("unknown_format", f"{place.name}: a folder without {huggingface.CONFIG}; {_KNOWN}")
        return place, None
    if place.name in (huggingface.CONFIG, INDEX):
        return place.parent, None
    return (place.parent, place.name) if place.suffix == ".safetensors" else None


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


def _default_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text).lstrip("._-")[:64] or "model"
