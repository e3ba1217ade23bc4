"""The JSON files of a Hugging Face model folder, read strictly and within bounds."""

import json
from pathlib import Path
from typing import Any, NoReturn

from inference.convert.sources import Source
from inference.errors import ConversionError

JSON_BYTES_MAX = 64 << 20

# Every file that the vocabulary and the chat template may come from.
TEXT_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "config.json",
    "chat_template.jinja",
    "chat_template.json",
)


def text_files(folder: Path) -> list[Path]:
    """Those of TEXT_FILES that are there."""
    return [folder / name for name in TEXT_FILES if (folder / name).is_file()]


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """The object in a JSON file, empty if there is no such file.

    Raises ConversionError: `source_unreadable`, `json_damaged` for what is no single object, is not UTF-8, is nested
    too deep, names a key twice or has numbers that JSON does not.
    """
    path = folder / name
    if not path.exists():
        return {}
    source = Source.open(path)
    if len(source.data) > JSON_BYTES_MAX:
        raise ConversionError("json_damaged", f"{name}: {len(source.data)} bytes, at most {JSON_BYTES_MAX} are taken")
    return parse_object(bytes(source.data), name)


def parse_object(data: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConversionError("json_damaged", f"{name}: it cannot be read: {str(error)[:200]}") from None
    if type(found) is not dict:
        raise ConversionError("json_damaged", f"{name}: it is not an object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
