"""Values of a GGUF file's metadata, each of the type that it must have."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from inference.convert.gguf_container import Container
from inference.errors import ConversionError


@dataclass(frozen=True, slots=True)
class Metadata:
    """Reads keys of a container, below `prefix`. Raises ConversionError (`gguf_metadata`) for any other type."""

    container: Container
    prefix: str = ""

    def integer(self, key: str, default: int | None = None) -> int:
        """Without a default, the key must be there."""
        value = self.get(key, default)
        if type(value) is not int or value < 0:
            raise self.error(key, "one non-negative integer")
        return value

    def number(self, key: str, default: int | None = None) -> Fraction:
        """A positive float32, as the shortest decimal number that names it, so that 1e-5 is exactly that."""
        value = self.get(key, default)
        if type(value) not in (int, np.float32) or not np.isfinite(value) or not value > 0:
            raise self.error(key, "one positive float32")
        return Fraction(str(value))

    def text(self, key: str) -> str | None:
        """None: the key is missing."""
        value = self.get(key)
        if value is not None and type(value) is not str:
            raise self.error(key, "a text")
        return value

    def array(self, key: str, kind: type) -> list[Any]:
        values = self.get(key)
        if type(values) is not list or any(type(value) is not kind for value in values):
            raise self.error(key, f"an array of {kind.__name__}")
        return values

    def get(self, key: str, default: Any = None) -> Any:
        return self.container.metadata.get(self.prefix + key, default)

    def error(self, key: str, rule: str) -> ConversionError:
        return ConversionError(
            "gguf_metadata", f"{self.container.source.name}: {self.prefix}{key} is missing or is not {rule}"
        )
