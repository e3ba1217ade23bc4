"""The directory of a `.rail` file: what the model is, where its tensors stand, and where it came from.

A deterministic-CBOR map; SPEC.md, "Model file", lists its keys. Parsing accepts exactly the bytes that
`Directory.encode` gives for the same content.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from inference import cbor
from inference.config import ENGINE, ModelConfig
from inference.errors import ModelFileError
from inference.layout import TensorSpec, matrix_shapes, tensor_specs
from inference.vocabulary import Vocabulary

FORMAT = "rail-model/2"
TEMPLATE_CHARS_MAX = 1 << 16
EXPONENT_MIN, EXPONENT_MAX = 16, 46  # a weight is q * scale * 2**-exponent; SPEC.md proves the shifts for these
SOURCES_MAX = 64
OPTIONS_MAX = 64
TEXT_CHARS_MAX = 255  # of a name or a value in the provenance

_KEYS = {"chat_template", "config", "data_root", "engine", "exponents", "format", "provenance", "tensors", "vocabulary"}


@dataclass(frozen=True, slots=True)
class Directory:
    """Checked content of a directory. Raises ModelFileError for anything SPEC.md does not allow."""

    config: ModelConfig
    exponents: Mapping[str, int]  # of each weight matrix
    vocabulary: Vocabulary
    chat_template: str | None  # None: the model has none
    provenance: Mapping[str, Any]  # {"converter": text, "options": {...}, "sources": {base name: SHA-256}}
    data_root: bytes  # 32 bytes: Merkle root of the data section, `inference.modelroot`

    def __post_init__(self) -> None:
        if self.exponents.keys() != matrix_shapes(self.config).keys():
            raise _schema("exponents must name each weight matrix and nothing else")
        for name, exponent in self.exponents.items():
            if type(exponent) is not int or not EXPONENT_MIN <= exponent <= EXPONENT_MAX:
                raise _schema(f"the exponent of {name} must be an integer from {EXPONENT_MIN} to {EXPONENT_MAX}")
        template = self.chat_template
        if template is not None and (type(template) is not str or len(template) > TEMPLATE_CHARS_MAX):
            raise _schema(f"chat_template must be null or a text of at most {TEMPLATE_CHARS_MAX} characters")
        _check_provenance(self.provenance)
        if type(self.data_root) is not bytes or len(self.data_root) != 32:
            raise _schema("data_root must be 32 bytes")

    def encode(self) -> bytes:
        return cbor.encode(
            {
                "format": FORMAT,
                "engine": ENGINE,
                "config": asdict(self.config),
                "tensors": _tensor_entries(tensor_specs(self.config)),
                "exponents": bytes(self.exponents[name] for name in sorted(self.exponents)),
                "vocabulary": self.vocabulary.to_map(),
                "chat_template": self.chat_template,
                "provenance": dict(self.provenance),
                "data_root": self.data_root,
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> "Directory":
        found = cbor.decode(data)
        if type(found) is not dict or found.keys() != _KEYS:
            raise _schema(f"its keys must be exactly {', '.join(sorted(_KEYS))}")
        for key, expected in (("format", FORMAT), ("engine", ENGINE)):
            if found[key] != expected or type(found[key]) is not str:
                raise ModelFileError(
                    "unsupported_version",
                    f"model directory: {key} is {_shown(found[key])}, this program reads {expected!r}; convert again",
                )
        for key in ("config", "provenance", "tensors", "vocabulary"):
            if type(found[key]) is not dict:
                raise _schema(f"{key} must be a map")
        config = _parse_config(found["config"])
        _check_tensors(found["tensors"], tensor_specs(config))
        names = sorted(matrix_shapes(config))
        if type(found["exponents"]) is not bytes or len(found["exponents"]) != len(names):
            raise _schema(f"exponents must be one byte for each of the {len(names)} matrices")
        exponents = dict(zip(names, found["exponents"], strict=True))
        vocabulary = Vocabulary.from_map(found["vocabulary"])
        return cls(config, exponents, vocabulary, **{k: found[k] for k in ("chat_template", "provenance", "data_root")})


def _parse_config(found: dict[str, Any]) -> ModelConfig:
    names = {field.name for field in fields(ModelConfig)}
    if found.keys() != names:
        raise _schema(f"config must have exactly the keys {', '.join(sorted(names))}")
    return ModelConfig(**found)


def _tensor_entries(specs: list[TensorSpec]) -> dict[str, dict[str, Any]]:
    return {spec.name: {"type": spec.type, "shape": list(spec.shape), "offset": spec.offset} for spec in specs}


def _check_tensors(found: dict[str, Any], specs: list[TensorSpec]) -> None:
    """The layout follows from the configuration alone, so that tensors cannot overlap or leave the file."""
    expected = _tensor_entries(specs)
    if found.keys() != expected.keys():
        different = sorted(found.keys() ^ expected.keys())
        raise ModelFileError("tensor_set", f"model directory: missing or unknown tensor {_shown(different[0])}")
    for name, entry in expected.items():
        if type(found[name]) is not dict or found[name].keys() != entry.keys():
            raise _schema(f"tensor {name} must have exactly the keys offset, shape, type")
        for key, value in entry.items():
            if not _same(found[name][key], value):
                raise ModelFileError(
                    f"tensor_{key}", f"model directory: {key} of {name} is {_shown(found[name][key])}, must be {value}"
                )


def _same(left: object, right: object) -> bool:
    """Equality that tells `True` from `1`."""
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and left == right


def _check_provenance(found: Mapping[str, Any]) -> None:
    if found.keys() != {"converter", "options", "sources"} or not _is_text(found["converter"]):
        raise _schema("provenance must have exactly the keys converter, options, sources")
    options, sources = found["options"], found["sources"]
    if type(options) is not dict or len(options) > OPTIONS_MAX:
        raise _schema(f"provenance options must be a map of at most {OPTIONS_MAX}")
    if type(sources) is not dict or len(sources) > SOURCES_MAX:
        raise _schema(f"provenance sources must be a map of at most {SOURCES_MAX}")
    for name, value in options.items():
        if not _is_text(name) or not (value is None or type(value) in (bool, int) or _is_text(value)):
            raise _schema("provenance options must map names to texts, integers, booleans or null")
    for name, digest in sources.items():
        if not _is_text(name) or type(digest) is not bytes or len(digest) != 32:
            raise _schema("provenance sources must map file names to SHA-256 digests")


def _is_text(value: object) -> bool:
    return type(value) is str and len(value) <= TEXT_CHARS_MAX


def _schema(rule: str) -> ModelFileError:
    return ModelFileError("directory_schema", f"model directory: {rule}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
