"""Tensors that are read when they are asked for, and that nobody keeps: a 7B model never stands in memory."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that still lies in its file."""

    shape: tuple[int, ...]
    read: Callable[[], Floats]  # makes the values anew at each call


class LazyTensors(Mapping[str, Floats]):
    """Tensors by name. Taking one reads it; names and shapes cost nothing."""

    def __init__(self, stored: Mapping[str, StoredTensor]) -> None:
        self._stored = stored

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tensor.shape for name, tensor in self._stored.items()}

    def __getitem__(self, name: str) -> Floats:
        return self._stored[name].read()

    def __contains__(self, name: object) -> bool:
        return name in self._stored  # the inherited one would read the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)
