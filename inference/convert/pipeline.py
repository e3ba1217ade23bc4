"""From a source checkpoint to a `.rail` file. The same sources and options give the same bytes on every machine."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from inference.config import ModelConfig
from inference.convert.calibration import Inputs, own_text
from inference.convert.float_model import FloatModel
from inference.convert.folding import Folded
from inference.convert.formats import Checkpoint, read_checkpoint
from inference.convert.integers import IntegerWriter
from inference.convert.options import ConvertOptions, ffn_rotation
from inference.errors import ConversionError
from inference.kernels import load_kernels
from inference.layout import matrix_shapes
from inference.modelfile import ModelFile
from inference.modelwriter import ModelWriter
from inference.tokenizer import Tokenizer

CONVERTER = "rail-convert/2"  # changes whenever the bytes of a converted model do

SPDX = re.compile(r"[A-Za-z0-9(][A-Za-z0-9.+ ()-]{0,98}[A-Za-z0-9.+)]")

Progress = Callable[[str, int, int], None]


def convert(
    source: str | Path,
    out: str | Path,
    tokenizer: str | Path | None = None,
    name: str | None = None,
    options: ConvertOptions = ConvertOptions(),  # noqa: B008 (frozen)
    progress: Progress = lambda step, done, total: None,
    licence: str | None = None,
) -> bytes:
    """Convert a checkpoint, write `out`, and return the model root.

    `source` is a Hugging Face folder, a GGUF file, or a llama2.c `.bin`; only the last needs `tokenizer`, see
    `read_checkpoint`. `name` is the model's name for people, by default the source's base name without its ending.
    `licence` is that of the weights, an SPDX expression, and ends up in the model's registration.
    `progress` is called with what is being done and how many weights of all are. Raises ConversionError for what cannot
    be read or is not supported, TokenizerError for a vocabulary that is not, ModelFileError (`unwritable`) if `out`
    cannot be written.
    """
    progress(f"reading {Path(source).name}", 0, 0)
    checkpoint = read_checkpoint(source, tokenizer, name)
    model = checkpoint.model
    _check_vocabulary(checkpoint)
    config = stored_config(model.config, options)
    terms = {} if licence is None else {"licence": _spdx(licence)}
    provenance: dict[str, Any] = {
        "converter": CONVERTER,
        "options": {"name": checkpoint.name, "source_format": checkpoint.format, **asdict(options), **terms},
        "sources": dict(model.sources),
    }
    with ModelWriter(out, config, model.vocabulary, model.chat_template, provenance) as writer:
        with eight_bit_inputs(model, options, Path(out), progress) as inputs:
            exponents = write_integers(writer, model, config, options, inputs, progress)
        progress(f"checking {Path(out).name}", 0, 0)
        return writer.finish(exponents)


def _spdx(licence: str) -> str:
    if not SPDX.fullmatch(licence):
        raise ConversionError(
            "licence", f"{licence!r} is no SPDX expression such as Apache-2.0 (at most 100 characters)"
        )
    return licence


def _check_vocabulary(checkpoint: Checkpoint) -> None:
    """The vocabulary must load and give every text back. It may leave rows of the embedding without a piece, as some
    models have them for the sake of a round number; but llama2.c's do not, and come with a file chosen by hand.
    """
    model = checkpoint.model
    pieces, rows = Tokenizer(model.vocabulary).vocab_size, model.config.vocab_size
    if pieces > rows or (pieces < rows and checkpoint.format == "llama2.c"):
        raise ConversionError(
            "tokenizer_mismatch", f"the vocabulary has {pieces} pieces, the model {rows}; it belongs to another model"
        )


def stored_config(config: ModelConfig, options: ConvertOptions) -> ModelConfig:
    """The source's configuration with what the options choose."""
    return replace(
        config,
        layer_bits=options.layer_bits,
        head_bits=options.head_bits,
        ffn_rotation=ffn_rotation(options, config.ffn_dim),
    )


@contextmanager
def eight_bit_inputs(
    model: FloatModel, options: ConvertOptions, out: Path, progress: Progress
) -> Iterator[Inputs | None]:
    """What calibration knows of the matrices' inputs, from the model in 8 bits, written beside `out` for the while."""
    if not options.calibrated:
        yield None
        return
    eight = replace(options, layer_bits=8, head_bits=8)
    config = stored_config(model.config, eight)
    provenance = {"converter": CONVERTER, "options": {}, "sources": {}}
    with TemporaryDirectory(prefix=out.name + ".", dir=out.parent) as folder:
        path = Path(folder) / "eight.rail"
        with ModelWriter(path, config, model.vocabulary, None, provenance) as writer:
            writer.finish(write_integers(writer, model, config, eight, None, progress))
        progress("writing text to calibrate with", 0, 0)
        with ModelFile.open(path) as file:
            runner = load_kernels(file, None, None)
            start = model.vocabulary.eos_id if model.vocabulary.bos_id is None else model.vocabulary.bos_id
            yield Inputs(runner, config, own_text(runner, start))


def write_integers(
    writer: ModelWriter,
    model: FloatModel,
    config: ModelConfig,
    options: ConvertOptions,
    inputs: Inputs | None,
    progress: Progress,
) -> dict[str, int]:
    """Write every tensor; the exponents of the matrices."""
    total = sum(rows * columns for rows, columns in matrix_shapes(config).values())
    done = 0

    def advance(weights: int) -> None:
        nonlocal done
        done += weights
        progress(f"quantising to {config.layer_bits} bits", done, total)

    integers = IntegerWriter(writer, Folded(model, options.rotate, config.ffn_rotation), config, inputs, advance)
    integers.write()
    return integers.exponents
