"""Builds the C kernels as the cffi extension `native._native` (API mode, stable ABI).

Baseline compiler flags only: each kernel names its own instruction set, so one binary runs on every CPU of its
architecture. `python native/build.py` builds in place.
"""

import os
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
GENERATED = "_native.c"  # by cffi
SOURCES = sorted(path.name for path in HERE.glob("*.c") if path.name != GENERATED)
FLAGS = ["-std=gnu11", "-O3", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra"]


def declarations() -> str:
    """The parts of the headers between their CDEF marks."""
    texts = [HERE.joinpath(name).read_text() for name in ("native.h", "kernels.h")]
    return "".join(text.split("CDEF BEGIN", 1)[1].split("*/", 1)[1].split("/* CDEF END", 1)[0] for text in texts)


def write_tables() -> None:
    """Write tables.h from tables.py."""
    namespace: dict[str, object] = {"__name__": "native.tables"}
    exec(compile((HERE / "tables.py").read_text(), "tables.py", "exec"), namespace)
    (HERE / "tables.h").write_text(namespace["c_header"]() + "\n")  # type: ignore[operator]


def make_builder() -> FFI:
    """The cffi builder that setup.py and `python native/build.py` share. Paths are relative to the project's root."""
    write_tables()
    builder = FFI()
    builder.cdef(declarations())
    builder.set_source(
        "native._native",
        '#include "native.h"\n#include "kernels.h"',
        sources=[f"native/{name}" for name in SOURCES],
        depends=[f"native/{path.name}" for path in HERE.glob("*.h")],
        include_dirs=["native"],
        extra_compile_args=FLAGS + os.environ.get("RAIL_CFLAGS", "").split(),
        extra_link_args=["-pthread", *os.environ.get("RAIL_CFLAGS", "").split()],
        py_limited_api=True,
    )
    return builder


ffibuilder = make_builder()

if __name__ == "__main__":
    os.chdir(HERE.parent)
    ffibuilder.compile(verbose=True)
