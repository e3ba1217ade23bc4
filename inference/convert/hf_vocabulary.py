"""The vocabulary of a Hugging Face model folder.

tokenizer.json    byte-level byte pairs, or a sentencepiece model's merges over characters
tokenizer.model   a sentencepiece model; preferred where both are there and the first is of the second kind
the others        added tokens, BOS and EOS, which ids end a run: see `hf_tokens`
"""

from collections.abc import Mapping
from pathlib import Path

from inference.convert.hf_byte_fallback import byte_fallback_data, space_rules
from inference.convert.hf_byte_level import byte_level_data, is_byte_level
from inference.convert.hf_files import read_object
from inference.convert.hf_tokens import AddedToken, Json, added_tokens, adds_bos, stated_stops, token_text
from inference.convert.llama2c_vocabulary import model_bytes, model_ends
from inference.convert.sentencepiece_writer import with_pieces
from inference.convert.sources import Source
from inference.errors import ConversionError
from inference.pieces import PieceType
from inference.sentencepiece_model import SentencePieceModel, StoredPiece
from inference.vocabulary import Vocabulary


def folder_vocabulary(folder: str | Path) -> Vocabulary:
    """The vocabulary of the files in a folder; `hf_files.TEXT_FILES`, and config.json, are those it may come from.

    Raises ConversionError: `tokenizer_missing`, `source_unreadable`, `json_damaged`, `vocabulary`, `unsupported`, and
    TokenizerError for a vocabulary that is damaged or not supported.
    """
    folder = Path(folder)
    tokenizer = read_object(folder, "tokenizer.json")
    config, named = read_object(folder, "tokenizer_config.json"), read_object(folder, "special_tokens_map.json")
    added = added_tokens(tokenizer, config, read_object(folder, "added_tokens.json"), named)
    bos_text, eos_text = token_text("bos_token", config, named), token_text("eos_token", config, named)
    stops = stated_stops(read_object(folder, "generation_config.json"), read_object(folder, "config.json"))
    ids = {token.text: token.id for token in added.values()}
    model = _model(folder, tokenizer)
    ids = {**(_trained(model) if model else _trained_json(tokenizer)), **ids}
    if model and not {"bos_token", "eos_token"} & {*config, *named}:  # a sentencepiece model names its own
        bos_text, eos_text = _own_ends(model)
    bos_id = _id("bos_token", bos_text, ids)
    eos_id = _id("eos_token", eos_text, ids)
    if eos_id is None and not stops:
        raise ConversionError("vocabulary", f"{folder.name}: no file says which token ends a text")
    stop_ids = sorted({*stops, *([] if eos_id is None else [eos_id])})
    eos_id = stops[0] if eos_id is None else eos_id
    controls = {*stop_ids, *([] if bos_id is None else [bos_id])}
    processor = tokenizer.get("post_processor") if tokenizer else None
    if is_byte_level(tokenizer):
        if config.get("add_prefix_space"):
            raise ConversionError("unsupported", "tokenizer_config.json: add_prefix_space with byte-level byte pairs")
        kind, data, after_control = "bpe", byte_level_data(tokenizer, added, controls), False
    elif model:
        kind, data = "sentencepiece", _with_added(model, added, controls)
        after_control = space_rules(tokenizer)[1] if tokenizer else config.get("legacy") is not False
    else:
        kind, data = "bpe", byte_fallback_data(tokenizer, added, controls)
        after_control = space_rules(tokenizer)[1]
    add_bos = adds_bos(config, processor, bos_text, usual=not tokenizer)
    return Vocabulary(kind, data, bos_id, add_bos, eos_id, tuple(stop_ids), after_control)


def _model(folder: Path, tokenizer: Json) -> bytes | None:
    """The sentencepiece model, None if there is none or tokenizer.json is another kind of vocabulary."""
    trained = tokenizer.get("model")
    if tokenizer and not (isinstance(trained, dict) and trained.get("type", "BPE") == "BPE"):
        raise ConversionError("unsupported", f"{folder.name}/tokenizer.json: only byte-pair models are supported")
    if is_byte_level(tokenizer):
        return None
    if (folder / "tokenizer.model").is_file():
        return model_bytes(Source.open(folder / "tokenizer.model"))
    if not tokenizer:
        raise ConversionError(
            "tokenizer_missing", f"{folder.name}: no tokenizer.json and no tokenizer.model; save the tokenizer there"
        )
    return None


def _trained(model: bytes) -> dict[str, int]:
    return {piece.text: id for id, piece in enumerate(SentencePieceModel.decode(model).pieces)}


def _own_ends(model: bytes) -> tuple[str | None, str | None]:
    pieces = SentencePieceModel.decode(model).pieces
    bos_text, eos_text = (pieces[id].text if id >= 0 else None for id in model_ends(model))
    return bos_text, eos_text


def _trained_json(tokenizer: Json) -> dict[str, int]:
    vocab = tokenizer["model"].get("vocab")
    return {text: id for text, id in vocab.items() if type(id) is int} if isinstance(vocab, dict) else {}


def _id(name: str, text: str | None, ids: Mapping[str, int]) -> int | None:
    if text is not None and text not in ids:
        raise ConversionError("vocabulary", f"tokenizer_config.json: {name} is {text!r}, which is no token")
    return None if text is None else ids[text]


def _with_added(data: bytes, added: Mapping[int, AddedToken], controls: set[int]) -> bytes:
    """The model with added tokens appended, and special ones made control pieces; as it is if it has them already."""
    model = SentencePieceModel.decode(data)
    pieces = list(model.pieces)
    for id in sorted({*added, *controls}):
        token = added.get(id)
        if id < len(pieces):
            if token and token.text != pieces[id].text:
                raise ConversionError(
                    "vocabulary", f"tokenizer.model: token {id} is {pieces[id].text!r}, not {token.text!r}"
                )
            if (id in controls or (token and token.special)) and pieces[id].type != PieceType.UNKNOWN:
                pieces[id] = pieces[id]._replace(type=PieceType.CONTROL)
        elif token and id == len(pieces):
            kind = PieceType.CONTROL if token.special or id in controls else PieceType.USER_DEFINED
            pieces.append(StoredPiece(token.text, bytes(4), kind))
        else:
            raise ConversionError("vocabulary", f"tokenizer.model: there are ids without a token before {id}")
    return data if tuple(pieces) == model.pieces else with_pieces(model, pieces)
