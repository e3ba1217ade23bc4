"""The byte-level byte-pair vocabulary of a tokenizer.json: GPT-2, Llama 3, Qwen 2 and 3, SmolLM2.

Only known ways to cut words are taken, by their exact regular expression; no expression of a file is ever run.
"""

from collections.abc import Mapping
from typing import Any

from inference.convert.byte_pairs import byte_pairs
from inference.convert.hf_tokens import AddedToken, Json, numbered_tokens
from inference.errors import ConversionError

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_EXPRESSIONS = {
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}": "llama3",
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}": "qwen2",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": "gpt2",
}


def is_byte_level(tokenizer: Json) -> bool:
    match tokenizer.get("pre_tokenizer"):
        case {"type": "ByteLevel"}:
            return True
        case {"type": "Sequence", "pretokenizers": [*_, {"type": "ByteLevel"}]}:
            return True
    return False


def byte_level_data(tokenizer: Json, added: Mapping[int, AddedToken], controls: set[int]) -> bytes:
    """The stored form of the vocabulary; `controls` are control pieces whatever the file says.

    The NFC normaliser of Qwen is left out: a text comes back as it was. Raises ConversionError (`unsupported`,
    `vocabulary`), TokenizerError as `BytePairs` does.
    """
    if tokenizer.get("normalizer") not in (None, {"type": "NFC"}):
        raise ConversionError("unsupported", "tokenizer.json: a normalizer other than NFC, which is left out")
    model = tokenizer["model"]
    tokens, types = numbered_tokens(plain_bpe(model), added, controls)
    ignore_merges = model.get("ignore_merges", False)
    if type(ignore_merges) is not bool:
        raise ConversionError("vocabulary", "tokenizer.json: ignore_merges is neither true nor false")
    return byte_pairs(tokens, types, pairs_of(model), _pre_tokenizer(tokenizer), ignore_merges)


def plain_bpe(model: Json) -> dict[str, int]:
    """Ids of the tokens of a byte-pair model that does nothing besides merging."""
    ids = model.get("vocab")
    if type(ids) is not dict or any(type(id) is not int or id < 0 for id in ids.values()):
        raise ConversionError("vocabulary", "tokenizer.json: vocab is no map of tokens to ids")
    if len(set(ids.values())) != len(ids) or "" in ids:
        raise ConversionError("vocabulary", "tokenizer.json: two tokens share an id, or one is empty")
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(key):
            raise ConversionError("unsupported", f"tokenizer.json: {key} = {str(model[key])[:60]}")
    return ids


def pairs_of(model: Json) -> list[tuple[str, str]]:
    """Merges, which older files write with a space between the two and newer ones as a list."""
    merges = model.get("merges")
    pairs: list[Any] = [m.split(" ") if type(m) is str else m for m in merges] if type(merges) is list else [None]
    if any(type(pair) is not list or len(pair) != 2 or {type(t) for t in pair} != {str} for pair in pairs):
        raise ConversionError("vocabulary", "tokenizer.json: merges are no pairs of tokens")
    return [(left, right) for left, right in pairs]


def _pre_tokenizer(tokenizer: Json) -> str:
    plain = {"type": "ByteLevel", "add_prefix_space": False}
    match _without(tokenizer["pre_tokenizer"], "trim_offsets"):
        case {"use_regex": True, **rest} if rest == plain:
            return "gpt2"
        case {**rest} if rest == plain:
            return "gpt2"
        case {"type": "Sequence", "pretokenizers": [first, last]}:
            last = _without(last, "trim_offsets")
            uses_regex = last.pop("use_regex", True)
            match first:
                case {"type": "Digits", "individual_digits": True} if uses_regex is True and last == plain:
                    return "smollm"
                case {"type": "Split", "pattern": {"Regex": str(regex)}, "behavior": "Isolated", "invert": False}:
                    if uses_regex is False and last == plain and regex in _EXPRESSIONS:
                        return _EXPRESSIONS[regex]
    raise ConversionError(
        "unsupported", "tokenizer.json: its pre_tokenizer is none of GPT-2's, Llama 3's, Qwen's, SmolLM's"
    )


def _without(found: object, key: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != key} if isinstance(found, dict) else {}
