"""The tensors of a Hugging Face folder, over one safetensors file or several with an index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference.convert.safetensors import Weights, read_weights
from inference.convert.sources import Source
from inference.convert.strict_json import parse_object
from inference.errors import ConversionError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
INDEX_BYTES_MAX = 8 << 20
FILES_MAX = 48  # a model file's provenance names at most 64 sources
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.safetensors", re.ASCII)


@dataclass(frozen=True, slots=True)
class FolderWeights:
    tensors: Mapping[str, Weights]  # the file of each tensor
    sources: tuple[Source, ...]  # the files, the index included


def open_weights(folder: Path, file: str | None = None) -> FolderWeights:
    """`file` is the one that was asked for by name, None to find it. Raises ConversionError.

    As in `transformers`, an index counts only where there is no `model.safetensors`. A file of an index brings the
    others along.
    """
    indexed = (folder / INDEX).exists() and not (folder / SINGLE).exists()
    if indexed and (file is None or file in read_index(Source.open(folder / INDEX)).values()):
        return _open_indexed(folder)
    if file is None and not (folder / SINGLE).exists():
        raise ConversionError(
            "weights_missing",
            f"{folder.name}: no {SINGLE} and no {INDEX}; other checkpoints must be saved as safetensors first",
        )
    weights = read_weights(Source.open(folder / (file or SINGLE)))
    return FolderWeights(dict.fromkeys(weights.tensors, weights), (weights.source,))


def _open_indexed(folder: Path) -> FolderWeights:
    """Every file has exactly the tensors that the index says it has."""
    index = Source.open(folder / INDEX)
    files = read_index(index)
    if len(set(files.values())) > FILES_MAX:
        raise _bad_index(f"names {len(set(files.values()))} files, at most {FILES_MAX} are taken")
    opened = {name: read_weights(Source.open(folder / name)) for name in sorted(set(files.values()))}
    for name, weights in opened.items():
        differing = weights.tensors.keys() ^ {tensor for tensor, file in files.items() if file == name}
        if differing:
            raise _bad_index(f"and {name} do not agree about tensor {min(differing)!r}")
    sources = (index, *(weights.source for weights in opened.values()))
    return FolderWeights({tensor: opened[file] for tensor, file in files.items()}, sources)


def read_index(index: Source) -> dict[str, str]:
    """File name of each tensor. Raises ConversionError (`safetensors_index`)."""
    table = parse_object(index.data, index.name, "safetensors_index", INDEX_BYTES_MAX).get("weight_map")
    if type(table) is not dict or not table:
        raise _bad_index("has no weight_map")
    for file in table.values():
        if type(file) is not str or _FILE_NAME.fullmatch(file) is None:
            raise _bad_index(f"names {ascii(file)[:60]}, which is not the plain name of a safetensors file")
    return table


def _bad_index(what: str) -> ConversionError:
    return ConversionError("safetensors_index", f"{INDEX}: {what}")
