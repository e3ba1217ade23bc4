"""What Hugging Face's files say about single tokens: the added ones, BOS, EOS and those that end a run."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inference.errors import ConversionError
from inference.pieces import PIECES_MAX, PieceType

Json = Mapping[str, Any]
_UNSUPPORTED = ("single_word", "lstrip", "rstrip")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token besides the trained ones, or a trained one that is special."""

    id: int
    text: str
    special: bool  # a control token; others are found in a text


def added_tokens(tokenizer: Json, config: Json, legacy: Json, named: Json) -> dict[int, AddedToken]:
    """By id: of tokenizer.json, of tokenizer_config.json, which overrides it, and of added_tokens.json.

    What `named` (special_tokens_map.json) or the configuration names is special. Raises ConversionError
    (`vocabulary`, `unsupported`).
    """
    special = set(_named_texts(config)) | set(_named_texts(named))
    found: dict[int, AddedToken] = {}
    for id, text, is_special in _entries(tokenizer, config, legacy):
        if type(id) is not int or id < 0 or type(text) is not str or not text:
            raise ConversionError("vocabulary", "vocabulary: an added token has no id or no text")
        if id in found and found[id].text != text:
            raise ConversionError("vocabulary", f"vocabulary: token {id} is {found[id].text!r} and {text!r}")
        found[id] = AddedToken(id, text, is_special or text in special)
    return found


def numbered_tokens(
    ids: Mapping[str, int], added: Mapping[int, AddedToken], controls: set[int]
) -> tuple[list[str], list[PieceType]]:
    """Text and type of each id: trained tokens are normal, ids without a token unused.

    Special tokens and `controls` are control pieces. Raises ConversionError (`vocabulary`).
    """
    count = max([-1, *ids.values(), *added, *controls]) + 1
    if count > PIECES_MAX:
        raise ConversionError("vocabulary", f"vocabulary: a token id {count - 1}, at most {PIECES_MAX} are taken")
    texts, types = [""] * count, [PieceType.UNUSED] * count
    for text, id in ids.items():
        texts[id], types[id] = text, PieceType.CONTROL if id in controls else PieceType.NORMAL
    for id, token in added.items():
        if texts[id] not in ("", token.text) or ids.get(token.text, id) != id:
            raise ConversionError("vocabulary", f"vocabulary: {token.text!r} and another token share an id")
        control = token.special or id in controls
        texts[id], types[id] = token.text, PieceType.CONTROL if control else PieceType.USER_DEFINED
    return texts, types


def token_text(name: str, config: Json, named: Json) -> str | None:
    """Text of `bos_token` or the like; None if the model has none."""
    value = config.get(name, named.get(name))
    text = value.get("content") if isinstance(value, dict) else value
    if text is not None and type(text) is not str:
        raise ConversionError("vocabulary", f"tokenizer_config.json: {name} is not a text")
    return text


def stated_stops(generation: Json, model: Json) -> list[int]:
    """`eos_token_id` of generation_config.json, else of config.json; one or several."""
    value = generation.get("eos_token_id", model.get("eos_token_id"))
    ids = value if type(value) is list else [] if value is None else [value]
    if any(type(id) is not int or id < 0 for id in ids):
        raise ConversionError("vocabulary", "generation_config.json: eos_token_id is no id or list of ids")
    return ids


def adds_bos(config: Json, processor: object, bos_text: str | None, usual: bool) -> bool:
    """Whether a text begins with BOS: `add_bos_token`, else what the post-processor does, else `usual`.

    Raises ConversionError (`unsupported`) for one that puts anything else around a text.
    """
    if config.get("add_eos_token"):
        raise ConversionError("unsupported", "tokenizer_config.json: add_eos_token; nothing is put after a text")
    stated = config.get("add_bos_token")
    if stated is None:
        stated = usual if processor is None else _processor_adds(processor, bos_text)
    if type(stated) is not bool:
        raise ConversionError("vocabulary", "tokenizer_config.json: add_bos_token is neither true nor false")
    return stated and bos_text is not None


def _processor_adds(processor: object, bos_text: str | None) -> bool:
    parts: list[object] = [processor]
    match processor:
        case {"type": "Sequence", "processors": list(parts)}:
            pass
    adds = False
    for part in parts:
        match part:
            case {"type": "ByteLevel"} | {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}]}:
                continue
            case {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": text}}, {"Sequence": {"id": "A"}}]}:
                adds = True
                if text == bos_text:
                    continue
        raise ConversionError(
            "unsupported", "tokenizer.json: a post_processor that does more than put BOS before a text"
        )
    return adds


def _entries(tokenizer: Json, config: Json, legacy: Json) -> Iterator[tuple[Any, Any, bool]]:
    listed = tokenizer.get("added_tokens", [])
    decoder = config.get("added_tokens_decoder", {})
    if type(listed) is not list or type(decoder) is not dict:
        raise ConversionError("vocabulary", "vocabulary: added tokens are no list, or their decoder no map")
    numbered = [(int(id) if _NUMBER.fullmatch(id) else None, entry) for id, entry in decoder.items()]
    for id, entry in [(entry.get("id") if isinstance(entry, dict) else None, entry) for entry in listed] + numbered:
        if not isinstance(entry, dict):
            raise ConversionError("vocabulary", "vocabulary: an added token is no map")
        text = entry.get("content")
        for flag in _UNSUPPORTED:
            if entry.get(flag):
                raise ConversionError("unsupported", f"vocabulary: token {text!r} has {flag}, which is not supported")
        yield id, text, entry.get("special") is True
    if not listed and not decoder:
        for text, id in legacy.items():
            yield id, text, False


def _named_texts(found: Json) -> Iterator[str]:
    for name, value in found.items():
        if not name.endswith(("_token", "_tokens")):
            continue
        for item in value if type(value) is list else [value]:
            text = item.get("content") if isinstance(item, dict) else item
            if type(text) is str:
                yield text
