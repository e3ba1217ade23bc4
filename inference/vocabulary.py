"""The text side of a model: how text becomes ids, and which ids end a run (SPEC.md, "Tokenizer")."""

from dataclasses import asdict, dataclass
from typing import Any

KINDS = ("sentencepiece", "bpe")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a model file stores of its tokenizer."""

    kind: str  # "sentencepiece": `data` is a ModelProto; "bpe": `data` is deterministic CBOR
    data: bytes
    bos_id: int | None  # None: the model has no token for the beginning of a text
    add_bos: bool  # whether the beginning of a text gets BOS
    eos_id: int
    stop_ids: tuple[int, ...]  # each of them ends a run; ascending, `eos_id` is one of them

    def to_map(self) -> dict[str, Any]:
        return {**asdict(self), "stop_ids": list(self.stop_ids)}

    @classmethod
    def from_map(cls, found: dict[str, Any]) -> "Vocabulary":
        return cls(**{**found, "stop_ids": tuple(found["stop_ids"])})
