"""The files of a Hugging Face folder that its vocabulary and chat template come from."""

from pathlib import Path
from typing import Any

from inference.convert.sources import Source
from inference.convert.strict_json import parse_object

JSON_BYTES_MAX = 64 << 20

TEXT_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "chat_template.jinja",
)


def read_object(folder: Path, name: str) -> dict[str, Any]:
    """The object in a JSON file, empty if there is no such file. Raises ConversionError (`json_damaged`)."""
    if not (folder / name).exists():
        return {}
    return parse_object(Source.open(folder / name).data, name, "json_damaged", JSON_BYTES_MAX)
