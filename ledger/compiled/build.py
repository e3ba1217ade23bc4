"""Builds the ledger's C parts as the cffi extension `ledger.compiled._compiled` (API mode, stable ABI).

`python ledger/compiled/build.py` builds in place.
"""

import os
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
GENERATED = "_compiled.c"  # by cffi
SOURCES = sorted(path.name for path in HERE.glob("*.c") if path.name != GENERATED)
HEADERS = ("compiled.h", "matching.h")
FLAGS = ["-std=gnu11", "-O3", "-fvisibility=hidden", "-Wall", "-Wextra"]


def declarations() -> str:
    """The parts of the headers between their CDEF marks."""
    texts = [(HERE / name).read_text() for name in HEADERS]
    return "".join(text.split("CDEF BEGIN", 1)[1].split("*/", 1)[1].split("/* CDEF END", 1)[0] for text in texts)


def make_builder() -> FFI:
    """The cffi builder that setup.py and this script share. Paths are relative to the project's root."""
    more = os.environ.get("RAIL_CFLAGS", "").split()
    builder = FFI()
    builder.cdef(declarations())
    builder.set_source(
        "ledger.compiled._compiled",
        "".join(f'#include "{name}"\n' for name in HEADERS),
        sources=[f"ledger/compiled/{name}" for name in SOURCES],
        depends=[f"ledger/compiled/{path.name}" for path in HERE.glob("*.h")],
        include_dirs=["ledger/compiled"],
        extra_compile_args=FLAGS + more,
        extra_link_args=more,
        py_limited_api=True,
    )
    return builder


ffibuilder = make_builder()

if __name__ == "__main__":
    os.chdir(HERE.parents[1])
    ffibuilder.compile(verbose=True)
