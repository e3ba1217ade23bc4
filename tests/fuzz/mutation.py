"""A plain mutator: random damage of known files, the same for the same seed."""

import json
import os
import random
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import cbor2

EXECUTIONS = int(os.environ.get("RAIL_FUZZ_EXECUTIONS", "1000"))
SEED = int(os.environ.get("RAIL_FUZZ_SEED", "1"))

_NUMBERS = [0, 1, 2, 7, 31, 127, 128, 255, 256, 65_535, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
_LONG_NUMBERS = [*_NUMBERS, 1 << 32, 1 << 48, 1 << 60, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
_TEXTS = [
    b"NaN",
    b"-1",
    b"1e999",
    b"null",
    b"true",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"9" * 70,
]
_VALUES = [
    *(None, True, False, -1, 0, 1, 2, 3, 4, 8, 9, 1 << 31, 1 << 48, 1 << 60, 1 << 64, -(1 << 63)),
    *(
        0.0,
        -1.5,
        1e-9,
        1e30,
        1e300,
        "",
        "F16",
        "BF16",
        "I8",
        "llama",
        "llama3",
        "linear",
        "yarn",
        "silu",
        "\x1b[2J",
        "é",
    ),
    *([], {}, [0], [2, 2], [0, 8], [1 << 40, 1 << 40], {"a": 1}, ["full_attention"], ["sliding_attention"]),
]
_KEYS = [
    "a",
    "head_dim",
    "rope_scaling",
    "type",
    "factor",
    "sliding_window",
    "layer_types",
    "shape",
    "__metadata__",
    "\n",
]


def mutations(seeds: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """`count` damaged files; most of the damage is in the front, where the structure is."""
    choose = random.Random(seed)
    for _ in range(count):
        data = bytearray(choose.choice(seeds))
        for _ in range(1 << choose.randrange(4)):
            _damage(data, choose, seeds)
        yield bytes(data)


def _damage(data: bytearray, choose: random.Random, seeds: Sequence[bytes]) -> None:
    reach = len(data) if choose.random() < 0.5 else min(len(data), 600)
    at = choose.randrange(reach + 1)
    match choose.randrange(9):
        case 0 if at < len(data):
            data[at] ^= 1 << choose.randrange(8)
        case 1 if at < len(data):
            data[at] = choose.randrange(256)
        case 2:
            data[at : at + 4] = struct.pack("<I", choose.choice(_NUMBERS))
        case 3:
            data[at : at + 8] = struct.pack("<Q", choose.choice(_LONG_NUMBERS))
        case 4:
            del data[at : at + choose.randrange(1, 40)]
        case 5:
            data[at:at] = bytes(choose.randrange(1, 40))
        case 6:
            del data[at:]
        case 7:
            other = choose.choice(seeds)
            start = choose.randrange(len(other) + 1)
            data[at : at + choose.randrange(60)] = other[start : start + choose.randrange(60)]
        case 8:
            data[at : at + choose.randrange(4)] = choose.choice(_TEXTS)


def json_mutations(seeds: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """Damage that keeps the syntax: values of JSON documents, or of the JSON that follows its length in eight bytes."""
    choose = random.Random(seed)
    for _ in range(count):
        data = choose.choice(seeds)
        start = 0 if data[:1] == b"{" else 8
        end = len(data) if start == 0 else 8 + int.from_bytes(data[:8], "little")
        document = json.loads(data[start:end])
        for _ in range(choose.randrange(1, 4)):
            _damage_value(document, choose)
        text = json.dumps(document).encode()
        yield text if start == 0 else struct.pack("<Q", len(text)) + text + data[end:]


def cbor_mutations(seeds: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """Damage that keeps the syntax: values of deterministic CBOR documents."""
    choose = random.Random(seed)
    for _ in range(count):
        document = cbor2.loads(choose.choice(seeds))
        for _ in range(choose.randrange(1, 4)):
            _damage_value(document, choose)
        yield cbor2.dumps(document, canonical=True)


def _damage_value(document: dict[str, Any], choose: random.Random) -> None:
    """Replaces, adds or removes one value, at any depth."""
    place: Any = document
    while True:
        if not place:
            return
        key = choose.choice(list(place)) if isinstance(place, dict) else choose.randrange(len(place))
        if not isinstance(place[key], dict | list) or choose.random() < 0.2:
            break
        place = place[key]
    kind = choose.randrange(4)
    if kind == 0:
        del place[key]
    elif kind == 1 and isinstance(place, dict):
        place[choose.choice(_KEYS)] = place[key]
    else:
        place[key] = deepcopy(choose.choice([*_VALUES, place[key]]))


def run_all(target: Callable[[bytes], object], damaged: Iterable[bytes]) -> None:
    """Gives the target each file; what it raises names the file and how to come to it again."""
    for number, data in enumerate(damaged):
        try:
            target(data)
        except BaseException as error:
            error.add_note(f"execution {number} of seed {SEED}: {data[:2000]!r}")
            raise
