"""A model file's tensors in the native kernels' hands."""

import os
from dataclasses import asdict, fields

import native
from inference.errors import KernelError
from inference.modelfile import ModelFile


def load_kernels(model: ModelFile, threads: int | None, kernels: str | None) -> native.Model:
    """The native model over the file's own pages; nothing is copied.

    `threads` None means `RAIL_THREADS`, else the processors of this process; `kernels` None means `RAIL_KERNELS`,
    else the fastest set. Raises KernelError (`kernels_unusable`, `threads_invalid`).
    """
    known = {field.name for field in fields(native.Config)}
    dimensions = {name: value for name, value in asdict(model.config).items() if name in known}
    config = native.Config(**dimensions, exponents=model.exponents)
    try:
        return native.Model(config, model.tensors, kernels, default_threads() if threads is None else threads)
    except native.KernelError as error:
        raise KernelError("kernels_unusable", str(error)) from error


def default_threads() -> int:
    chosen = os.environ.get("RAIL_THREADS")
    if not chosen:
        return min(len(os.sched_getaffinity(0)), native.THREADS_MAX)
    if not (chosen.isascii() and chosen.isdecimal() and len(chosen) < 4 and 1 <= int(chosen) <= native.THREADS_MAX):
        raise KernelError("threads_invalid", f"RAIL_THREADS is {chosen[:40]!r}, must be 1 to {native.THREADS_MAX}")
    return int(chosen)
