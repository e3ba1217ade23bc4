"""What a model file stores of its tokenizer: one form for each value, and every other one is refused."""

from typing import Any

import pytest
from small_vocabulary import byte_pair_vocabulary, sentencepiece_vocabulary

from inference import cbor
from inference.errors import ModelFileError, TokenizerError
from inference.vocabulary import DATA_BYTES_MAX, STOP_IDS_MAX, Vocabulary

GOOD: dict[str, Any] = {"kind": "bpe", "data": b"x", "bos_id": 1, "add_bos": True, "eos_id": 2, "stop_ids": (1, 2)}

BAD: list[dict[str, Any]] = [
    {"kind": "wordpiece"},
    {"kind": 1},
    {"data": b""},
    {"data": "x"},
    {"data": bytes(DATA_BYTES_MAX + 1)},
    {"bos_id": -1},
    {"bos_id": 1 << 20},
    {"bos_id": True},
    {"bos_id": None},  # but add_bos
    {"add_bos": 1},
    {"eos_id": -1, "stop_ids": (-1,)},
    {"eos_id": None},
    {"eos_id": 3},  # not among stop_ids
    {"eos_id": True},
    {"stop_ids": ()},
    {"stop_ids": [1, 2]},
    {"stop_ids": (2, 1)},
    {"stop_ids": (2, 2)},
    {"stop_ids": (2, "3")},
    {"stop_ids": (2, 1 << 20)},
    {"stop_ids": tuple(range(STOP_IDS_MAX + 1))},
    {"space_after_control": 0},
]


@pytest.mark.parametrize("change", BAD, ids=lambda change: repr(change)[:40])
def test_fields_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TokenizerError) as caught:
        Vocabulary(**{**GOOD, **change})
    assert caught.value.code == "vocabulary_invalid"
    whole = {**GOOD, "space_after_control": False, **change}
    if type(whole["stop_ids"]) is tuple:
        whole["stop_ids"] = list(whole["stop_ids"])
        with pytest.raises(ModelFileError) as refused:
            Vocabulary.from_map(whole)
        assert refused.value.code == "vocabulary_invalid"


def test_sixteen_stop_ids_are_taken() -> None:
    assert Vocabulary(**{**GOOD, "stop_ids": tuple(range(STOP_IDS_MAX))}).eos_id == 2


@pytest.mark.parametrize(
    "vocabulary", [sentencepiece_vocabulary(), byte_pair_vocabulary(), byte_pair_vocabulary(bos=False)]
)
def test_map_and_back(vocabulary: Vocabulary) -> None:
    stored = cbor.encode(vocabulary.to_map())
    assert Vocabulary.from_map(cbor.decode(stored)) == vocabulary
    assert cbor.encode(Vocabulary.from_map(cbor.decode(stored)).to_map()) == stored


def test_other_maps_are_refused() -> None:
    good = Vocabulary(**GOOD).to_map()
    fewer = {name: value for name, value in good.items() if name != "add_bos"}
    for found in (None, [], b"", {}, fewer, {**good, "more": 1}, {**good, "stop_ids": (1, 2)}, {**good, "stop_ids": 1}):
        with pytest.raises(ModelFileError) as caught:
            Vocabulary.from_map(found)
        assert caught.value.code == "vocabulary_invalid"
