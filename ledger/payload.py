"""The five statements that a log holds, as values: what each says and the bounds of every field.

A payload travels as a CBOR map with exactly the keys "v" (1), "type" and the fields of its class. It holds digests and
counts, never content. Every failure is a ParseError whose code is `statement_<field>`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self

from ledger.cbor import CborValue
from ledger.commitment import BIASES_MAX
from ledger.errors import ParseError
from ledger.fields import (
    Checked,
    checked,
    checked_or,
    code,
    instance_of,
    integer,
    mapping,
    octets,
    one_of,
    optional,
    text,
)
from ledger.keys import PUBLIC_BYTES, check_public_key
from ledger.merkle import HASH_BYTES, SIZE_MAX

VERSION = 1
TIME_MAX = 253_402_300_799  # 9999-12-31T23:59:59Z, so that each time has an RFC 3339 form.
COUNTER_MAX = 2**53 - 1  # Exact in every JSON reader.
TOKENS_MAX = 2**32 - 1
SOURCES_MAX = 32

_TIME = integer(0, TIME_MAX)
_DIGEST = octets(HASH_BYTES)
_ENTRY_INDEX = integer(0, SIZE_MAX)


@dataclass(frozen=True, slots=True)
class Payload(Checked):
    """What all statements say: when (unix seconds, UTC, by the operator's clock) and the operator's own count of them.

    `counter` starts at 0 and rises by one with each statement of the operator, so that a missing one shows.
    """

    CODE_PREFIX: ClassVar[str] = "statement"
    type: ClassVar[str]

    time: int = checked(_TIME)
    counter: int = checked(integer(0, COUNTER_MAX))

    def to_map(self) -> dict[str, CborValue]:
        """The CBOR map of this payload."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"v": VERSION, "type": self.type, **values}

    @classmethod
    def from_map(cls, values: Mapping[str, object]) -> Self:
        """Inverse of `to_map` once version and type have been taken off; the keys must be the fields, all of them."""
        return cls(**_exact_keys(values, cls))


@dataclass(frozen=True, slots=True)
class OperatorStatement(Payload):
    """A key speaks for a named operator from `valid_from` until `valid_to`; `register` is signed by that very key."""

    type: ClassVar[str] = "operator"

    name: str = checked(text(100))
    contact: str = checked(text(200))
    public: bytes = checked(octets(PUBLIC_BYTES))
    valid_from: int = checked(_TIME)
    valid_to: int | None = checked(optional(_TIME))  # None: no end is set; the last second it is valid otherwise.
    action: str = checked(one_of("register", "rotate", "revoke"))

    def __post_init__(self) -> None:
        Payload.__post_init__(self)  # By name: super() without arguments does not work in a class made with slots.
        check_public_key(self.public, "statement_public")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ParseError("statement_valid_to", "statement field 'valid_to' is before 'valid_from'")


@dataclass(frozen=True, slots=True)
class ModelStatement(Payload):
    """A model file with this root exists, made from these sources (file name to SHA-256), for this engine contract."""

    type: ClassVar[str] = "model"

    model_root: bytes = checked(_DIGEST)
    name: str = checked(text(100))
    family: str = checked(code)
    parameters: int = checked(integer(1, COUNTER_MAX))
    engine: str = checked(code)
    sources: Mapping[str, bytes] = checked(mapping(text(200), _DIGEST, SOURCES_MAX))
    licence: str = checked(text(100))


@dataclass(frozen=True, slots=True)
class Sampling(Checked):
    """Sampling parameters of a run, in the units of the engine contract; they replay only together with the seed.

    Stop strings and the biases themselves are content: the prompt's commitment covers them.
    """

    CODE_PREFIX: ClassVar[str] = "statement_sampling"

    temperature_micro: int = checked(integer(0, 100_000_000))  # Millionths; 0 is greedy.
    top_k: int = checked(integer(0, 2**20))  # 0: off.
    top_p_micro: int = checked(integer(1, 1_000_000))  # Millionths; 1,000,000: off.
    seed: int = checked(integer(0, SIZE_MAX))
    max_tokens: int = checked(integer(1, 2**20))
    # Those that are off are left out of the map.
    min_p_micro: int = checked_or(0, integer(0, 1_000_000))
    repetition_micro: int = checked_or(1_000_000, integer(10_000, 10_000_000))
    frequency_micro: int = checked_or(0, integer(-2_000_000, 2_000_000))
    presence_micro: int = checked_or(0, integer(-2_000_000, 2_000_000))
    logit_biases: int = checked_or(0, integer(0, BIASES_MAX))  # How many tokens have a bias.

    def to_map(self) -> dict[str, CborValue]:
        """The CBOR map of these parameters."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {item.name: values[item.name] for item in fields(self) if values[item.name] != item.default}

    @classmethod
    def from_map(cls, values: Mapping[str, object]) -> Self:
        """Inverse of `to_map`: a parameter that is off may not be written."""
        for name, default in _DEFAULTS:
            if name in values and values[name] == default:
                raise ParseError(f"{cls.CODE_PREFIX}_{name}", f"'{name}' is left out where it is off")
        return cls(**_exact_keys(values, cls))


_DEFAULTS = tuple((item.name, item.default) for item in fields(Sampling) if item.default is not MISSING)


@dataclass(frozen=True, slots=True)
class GenerationStatement(Payload):
    """A run of a model gave an output for a prompt; both are known here by salted commitments only."""

    type: ClassVar[str] = "generation"

    model_root: bytes = checked(_DIGEST)
    engine: str = checked(code)
    prompt_commitment: bytes = checked(_DIGEST)
    output_commitment: bytes = checked(_DIGEST)
    prompt_tokens: int = checked(integer(0, TOKENS_MAX))
    output_tokens: int = checked(integer(0, TOKENS_MAX))
    sampling: Sampling = checked(instance_of(Sampling))  # noqa: RUF009 - a declaration, evaluated once, like the others
    finish: str = checked(one_of("stop", "length", "cancelled"))
    echo_permille: int = checked(integer(0, 1000))  # Share of the output that the prompt already contained.
    fingerprint_root: bytes = checked(_DIGEST)
    assurance: str = checked(one_of("replayable", "attested"))

    def to_map(self) -> dict[str, CborValue]:
        """The CBOR map of this payload."""
        return {**Payload.to_map(self), "sampling": self.sampling.to_map()}

    @classmethod
    def from_map(cls, values: Mapping[str, object]) -> Self:
        """Inverse of `to_map`, as in `Payload`."""
        arguments = _exact_keys(values, cls)
        sampling = arguments["sampling"]
        if not isinstance(sampling, dict):
            raise ParseError("statement_sampling", "statement field 'sampling' is not a map")
        arguments["sampling"] = Sampling.from_map(sampling)
        return cls(**arguments)


@dataclass(frozen=True, slots=True)
class ReplayStatement(Payload):
    """An auditor ran entry `entry_index` again and got the same bits, or other ones, or could not run it."""

    type: ClassVar[str] = "replay"

    entry_index: int = checked(_ENTRY_INDEX)
    entry_leaf_hash: bytes = checked(_DIGEST)
    verdict: str = checked(one_of("match", "mismatch", "not_reproducible"))
    first_difference: int | None = checked(optional(integer(0, TOKENS_MAX)))  # Index into the output's token ids.
    reason: str | None = checked(optional(code))  # Why it differs other than in a token, or why it could not be run.
    engine: str = checked(code)

    def __post_init__(self) -> None:
        Payload.__post_init__(self)
        differs = self.first_difference is not None
        if differs and self.verdict != "mismatch":
            raise ParseError("statement_first_difference", f"verdict '{self.verdict}' has no first differing token")
        if self.verdict == "match" and self.reason is not None:
            raise ParseError("statement_reason", "verdict 'match' needs no reason")
        if self.verdict != "match" and not differs and self.reason is None:
            raise ParseError("statement_reason", f"verdict '{self.verdict}' needs a differing token or a reason")


@dataclass(frozen=True, slots=True)
class ErasureStatement(Payload):
    """The content of entry `entry_index` was erased; the entry itself stays."""

    type: ClassVar[str] = "erasure"

    entry_index: int = checked(_ENTRY_INDEX)
    entry_leaf_hash: bytes = checked(_DIGEST)
    reason: str = checked(code)


PAYLOAD_TYPES: Mapping[str, type[Payload]] = {
    kind.type: kind
    for kind in (OperatorStatement, ModelStatement, GenerationStatement, ReplayStatement, ErasureStatement)
}


def payload_from_map(value: object) -> Payload:
    """The payload of this decoded CBOR value; raises ParseError `statement_<field>`."""
    if not isinstance(value, dict):
        raise ParseError("statement_payload", "the statement's payload is not a CBOR map")
    values = dict(value)
    version, kind = values.pop("v", None), values.pop("type", None)
    if version != VERSION:
        raise ParseError("statement_v", f"statement version {version!r:.20} is not known; expected {VERSION}")
    if not isinstance(kind, str) or kind not in PAYLOAD_TYPES:
        raise ParseError("statement_type", f"statement type {kind!r:.40} is not one of: {', '.join(PAYLOAD_TYPES)}")
    return PAYLOAD_TYPES[kind].from_map(values)


def _exact_keys(values: Mapping[str, object], kind: type[Checked]) -> dict[str, Any]:
    """`values`, if its keys are the fields of `kind`, no more, and no fewer but those with a default."""
    names, needed = _names_of(kind)
    if values.keys() == names.keys():
        return dict(values)
    for name in needed:
        if name not in values:
            raise ParseError(f"{kind.CODE_PREFIX}_{name}", f"{kind.CODE_PREFIX} field '{name}' is missing")
    for name in values:
        if name not in names:
            raise ParseError(f"{kind.CODE_PREFIX}_unknown_field", f"field {name!r:.60} is not known in {kind.__name__}")
    return dict(values)


def _names_of(kind: type[Checked]) -> tuple[dict[str, None], tuple[str, ...]]:
    """The names of all fields, in order, and of those without a default; gathered once."""
    if (known := _NAMES.get(kind)) is None:
        items = fields(kind)
        needed = tuple(item.name for item in items if item.default is MISSING)
        known = _NAMES[kind] = {item.name: None for item in items}, needed
    return known


_NAMES: dict[type, tuple[dict[str, None], tuple[str, ...]]] = {}
