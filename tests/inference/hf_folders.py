"""Tokenizer files of small Hugging Face folders, in the shapes that the families' own files have."""

import json
import struct
from pathlib import Path
from typing import Any

from small_vocabulary import byte_pair_tokens, small_vocabulary

from inference.pieces import PieceType
from inference.sentencepiece_model import SPACE, SentencePieceModel

Json = dict[str, Any]
WORDS = ["the", " the", "and", " and", "ing", "你", "  ", "12", "123", "\n\n", " in", "LL"]
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PREPEND = [
    {"type": "Prepend", "prepend": SPACE},
    {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
]


def sequence(*parts: Json) -> Json:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def split(numbers: str) -> Json:
    regex = rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{numbers}|{REST}"
    return sequence(
        {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False},
        {**BYTE_LEVEL, "use_regex": False},
    )


PRE_TOKENIZERS: dict[str, Json] = {
    "gpt2": BYTE_LEVEL,
    "llama3": split("{1,3}"),
    "qwen2": split(""),
    "smollm": sequence({"type": "Digits", "individual_digits": True}, BYTE_LEVEL),
}


def added(id: int, text: str, special: bool = True, **flags: bool) -> Json:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": id, "content": text, **plain, "special": special, **flags}


def adds(text: str, id: int) -> Json:
    """The post-processor that puts one token before a text."""
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": text, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {text: {"id": text, "ids": [id], "tokens": [text]}},
    }


def byte_level(name: str, specials: list[str], own: list[str], bos: bool = False, pairs: bool = False) -> Json:
    """A byte-level tokenizer.json; merges as pairs in newer files, as texts in older ones."""
    tokens, merges = byte_pair_tokens(WORDS)
    count = len(tokens)
    tokens_added = [added(count + at, text) for at, text in enumerate(specials)]
    tokens_added += [added(count + len(specials) + at, text, special=False) for at, text in enumerate(own)]
    processors: list[Json] = [{**BYTE_LEVEL, "trim_offsets": False}]
    if bos:
        processors.append(adds(specials[0], count))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": tokens_added,
        "normalizer": {"type": "NFC"} if name == "qwen2" else None,
        "pre_tokenizer": PRE_TOKENIZERS[name],
        "post_processor": {"type": "Sequence", "processors": processors} if bos else processors[0],
        "decoder": BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": name == "llama3",
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": [list(pair) if pairs else " ".join(pair) for pair in merges],
        },
    }


def byte_fallback(scheme: str = "legacy", data: bytes = small_vocabulary()) -> Json:
    """A sentencepiece model as Hugging Face's converter writes it: merges by the score of what they give."""
    pieces = SentencePieceModel.decode(data).pieces
    ids = {piece.text: id for id, piece in enumerate(pieces)}
    normal = {piece.text for piece in pieces if piece.type == PieceType.NORMAL}
    merges = [
        (-struct.unpack("<f", pieces[ids[whole]].score)[0], ids[whole[:at]], ids[whole[at:]])
        for whole in sorted(normal)
        for at in range(1, len(whole))
        if whole[:at] in normal and whole[at:] in normal
    ]
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": False}
    legacy = scheme == "legacy"
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")],
        "normalizer": {"type": "Sequence", "normalizers": PREPEND} if legacy else None,
        "pre_tokenizer": None if legacy else metaspace,
        "post_processor": adds("<s>", 1),
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": ids,
            "merges": [f"{pieces[left].text} {pieces[right].text}" for _, left, right in sorted(merges)],
        },
    }


def write_folder(folder: Path, **files: Json | bytes) -> Path:
    """A folder with these files; `tokenizer_config` is tokenizer_config.json, bytes are tokenizer.model."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / f"{name}.model").write_bytes(content)
        else:
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
