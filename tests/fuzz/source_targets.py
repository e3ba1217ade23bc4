"""Fuzz targets of the converter's readers: any bytes are read or refused with a ConversionError or TokenizerError.

Every other exception is a defect, and so is a run that takes long or much memory. Each target is a plain function, for
any driver; `source_seeds.py` has files to start from.
"""

from collections.abc import Callable

from inference.convert import gguf, llama2c
from inference.convert.gguf_container import read_container
from inference.convert.hf_config import read_config
from inference.convert.hf_template import named_template
from inference.convert.hf_weights import INDEX, read_index
from inference.convert.llama2c_vocabulary import llama2c_vocabulary
from inference.convert.safetensors import read_weights
from inference.convert.sources import Source
from inference.convert.strict_json import parse_object
from inference.errors import ConversionError, TokenizerError


def gguf_target(data: bytes) -> None:
    """A GGUF file, with all its tensors, then as a model."""
    source = _source("m.gguf", data)
    with _refusals():
        container = read_container(source)
        for name in container.tensors:
            assert container.stored(name).read().shape == container.tensors[name].shape
    with _refusals():
        model = gguf.read_checkpoint(source, "m")
        for name in model.tensors:
            with _refusals():
                model.tensor(name)


def safetensors_target(data: bytes) -> None:
    with _refusals():
        weights = read_weights(_source("m.safetensors", data))
        for name, place in weights.tensors.items():
            with _refusals():
                assert weights.stored(name).read().shape == place.shape


def config_target(data: bytes) -> None:
    """A `config.json`."""
    with _refusals():
        found = read_config(data, "config.json", "m")
        assert all(frequency > 0 for frequency in found.rope_frequencies)


def index_target(data: bytes) -> None:
    """A `model.safetensors.index.json`, and the same bytes as a `tokenizer_config.json`."""
    with _refusals():
        assert all("/" not in file for file in read_index(_source(INDEX, data)).values())
    with _refusals():
        named_template(parse_object(data, "tokenizer_config.json", "chat_template", 1 << 24))


def llama2c_target(data: bytes) -> None:
    """A checkpoint and a tokenizer, whichever the bytes are."""
    with _refusals():
        llama2c_vocabulary(_source("t.bin", data))
    with _refusals():
        header = llama2c.read_header(_source("m.bin", data), "m")
        model = llama2c.read_checkpoint(header, _source("t.model", b"a vocabulary that nobody looks at here"))
        for name in model.tensors:
            with _refusals():
                model.tensor(name)


class _refusals:
    """Ends quietly with one of these that has a code and a message without control characters."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, ConversionError | TokenizerError):
            return False
        assert error.code.isidentifier()
        assert str(error).isprintable()
        assert len(str(error)) < 1000
        return True


def _source(name: str, data: bytes) -> Source:
    return Source(name, memoryview(data))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "gguf": gguf_target,
    "safetensors": safetensors_target,
    "config": config_target,
    "index": index_target,
    "llama2c": llama2c_target,
}
