"""The chat template of a Hugging Face folder: `chat_template.jinja`, or a key of `tokenizer_config.json`."""

from pathlib import Path
from typing import Any

from inference.convert.sources import Source
from inference.convert.strict_json import parse_object
from inference.errors import ConversionError

TEMPLATE_FILE, TOKENIZER_CONFIG = "chat_template.jinja", "tokenizer_config.json"
_FILE_BYTES_MAX = 16 << 20


def chat_template(folder: Path) -> str | None:
    """None: the folder names no template. Raises ConversionError (`chat_template`)."""
    if (folder / TEMPLATE_FILE).exists():
        data = Source.open(folder / TEMPLATE_FILE).data
        if len(data) > _FILE_BYTES_MAX:
            raise ConversionError("chat_template", f"{TEMPLATE_FILE}: {len(data)} bytes are too many")
        try:
            return str(data, "utf-8")
        except UnicodeDecodeError:
            raise ConversionError("chat_template", f"{TEMPLATE_FILE}: not UTF-8") from None
    if not (folder / TOKENIZER_CONFIG).exists():
        return None
    data = Source.open(folder / TOKENIZER_CONFIG).data
    return named_template(parse_object(data, TOKENIZER_CONFIG, "chat_template", _FILE_BYTES_MAX))


def named_template(config: dict[str, Any]) -> str | None:
    """The one template, or the one named "default" of several."""
    template = config.get("chat_template")
    if type(template) is list:
        named = [entry for entry in template if type(entry) is dict and entry.get("name") == "default"]
        template = named[0].get("template") if named else None
    if template is not None and type(template) is not str:
        raise ConversionError(
            "chat_template", f"{TOKENIZER_CONFIG}: chat_template is neither a text nor a list of them"
        )
    return template
