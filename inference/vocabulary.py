"""The text side of a model: how text becomes ids, and which ids end a run (SPEC.md, "Tokenizer")."""

from dataclasses import asdict, dataclass, fields

from inference.errors import ModelFileError, TokenizerError
from inference.pieces import PIECES_MAX

KINDS = ("sentencepiece", "bpe")
DATA_BYTES_MAX = 16 << 20
STOP_IDS_MAX = 16


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a model file stores of its tokenizer.

    Raises TokenizerError (`vocabulary_invalid`) for a field out of its range. Whether `data` is a vocabulary, and the
    ids some of its pieces, shows when a Tokenizer is made of it.
    """

    kind: str  # "sentencepiece": `data` is a ModelProto; "bpe": `data` is deterministic CBOR, `bpe_data`
    data: bytes
    bos_id: int | None  # None: the model has no token for the beginning of a text
    add_bos: bool  # whether the beginning of a text gets BOS
    eos_id: int
    stop_ids: tuple[int, ...]  # each of them ends a run; ascending, `eos_id` is one of them
    space_after_control: bool = False  # in a rendered chat, text after a control piece begins as a text does

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise _invalid("kind", f"one of {', '.join(KINDS)}")
        if type(self.data) is not bytes or not 0 < len(self.data) <= DATA_BYTES_MAX:
            raise _invalid("data", f"1 to {DATA_BYTES_MAX} bytes")
        for name in ("add_bos", "space_after_control"):
            if type(getattr(self, name)) is not bool:
                raise _invalid(name, "true or false")
        if self.add_bos and self.bos_id is None:
            raise _invalid("add_bos", "false where there is no BOS")
        if type(self.stop_ids) is not tuple or not 1 <= len(self.stop_ids) <= STOP_IDS_MAX:
            raise _invalid("stop_ids", f"1 to {STOP_IDS_MAX} ids")
        for name, id in (
            ("bos_id", self.bos_id or 0),
            ("eos_id", self.eos_id),
            *(("stop_ids", i) for i in self.stop_ids),
        ):
            if type(id) is not int or not 0 <= id < PIECES_MAX:
                raise _invalid(name, f"from 0 to {PIECES_MAX - 1}")
        if list(self.stop_ids) != sorted(set(self.stop_ids)) or self.eos_id not in self.stop_ids:
            raise _invalid("stop_ids", "ascending, with eos_id among them")

    def to_map(self) -> dict[str, object]:
        """The fields for the directory of a model file; `from_map` is the inverse."""
        return {**asdict(self), "stop_ids": list(self.stop_ids)}

    @classmethod
    def from_map(cls, found: object) -> "Vocabulary":
        """The inverse of `to_map`. Raises ModelFileError (`vocabulary_invalid`) for any other map."""
        names = {field.name for field in fields(cls)}
        if not isinstance(found, dict) or found.keys() != names or type(found["stop_ids"]) is not list:
            raise ModelFileError(
                "vocabulary_invalid", f"vocabulary: it must be a map of {', '.join(sorted(names))}; the file is damaged"
            )
        try:
            return cls(**{**found, "stop_ids": tuple(found["stop_ids"])})
        except TokenizerError as error:
            raise ModelFileError(error.code, str(error)) from None


def _invalid(field: str, rule: str) -> TokenizerError:
    return TokenizerError("vocabulary_invalid", f"vocabulary: {field} must be {rule}")
