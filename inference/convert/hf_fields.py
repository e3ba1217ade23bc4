"""Values of a Hugging Face `config.json`, each of the type that it must have."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from inference.errors import ConversionError

_NUMBER_MAX = Decimal(10) ** 30  # and its reciprocal the least: such numbers stay short as fractions


@dataclass(frozen=True, slots=True)
class Fields:
    """Reads the keys of one JSON object. A key that is null counts as missing. Raises ConversionError (`hf_config`)."""

    values: dict[str, Any]
    where: str  # the file, and the object inside it

    def integer(self, key: str, default: int | None = None) -> int:
        """Without a default, the key must be there."""
        value = self.get(key, default)
        if type(value) is not int or value < 0:
            raise self.error(key, "one non-negative integer")
        return value

    def number(self, key: str, default: int | None = None) -> Fraction:
        """A positive decimal number, exactly as written."""
        value = self.get(key, default)
        if type(value) not in (int, Decimal) or not 1 / _NUMBER_MAX <= value <= _NUMBER_MAX:
            raise self.error(key, "one positive number")
        return Fraction(value)

    def flag(self, key: str) -> bool:
        """False if the key is missing."""
        value = self.get(key, False)
        if type(value) is not bool:
            raise self.error(key, "true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.get(key, default)
        if type(value) is not str:
            raise self.error(key, "a text")
        return value

    def table(self, key: str) -> "Fields":
        """An object inside this one, empty if the key is missing."""
        value = self.get(key, {})
        if type(value) is not dict:
            raise self.error(key, "an object")
        return Fields(value, f"{self.where}: {key}")

    def get(self, key: str, default: Any = None) -> Any:
        value = self.values.get(key)
        return default if value is None else value

    def error(self, key: str, rule: str) -> ConversionError:
        return ConversionError("hf_config", f"{self.where}: {key} is missing or is not {rule}")

    def unsupported(self, key: str, hint: str = "") -> ConversionError:
        name, shown = ascii(key)[1:-1][:60], ascii(self.values.get(key))[:60]
        return ConversionError("unsupported", f"{self.where}: {name} = {shown} is not supported{hint}")
