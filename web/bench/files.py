"""Where models of random weights are kept; each is written when it is first wanted."""

import os
from pathlib import Path

from web.bench.random_gguf import write_gguf
from web.bench.random_rail import write_rail
from web.bench.shapes import Shape


def default_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rail" / "bench"


def own_file(folder: Path, shape: Shape, bits: int) -> Path:
    path = folder / f"{shape.name}-{shape.vocabulary}-{bits}bit.rail"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_rail(path, shape, bits)
    return path


def peer_file(folder: Path, shape: Shape, format: str) -> Path:
    """`format`: Q8_0 or Q4_0."""
    path = folder / f"{shape.name}-{format}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_gguf(path, shape, format)
    return path
