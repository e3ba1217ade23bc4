"""What a measurement or an examination says about the machine it was made on."""

import os
import platform
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """The processor, by the name it gives itself, and how much of it this process may use."""

    processor: str
    cores: int
    system: str


def describe_machine() -> Machine:
    cores = len(os.sched_getaffinity(0))
    return Machine(_processor(), cores, f"{platform.system()} {platform.release()} {platform.machine()}")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
            return next(names, "") or platform.machine()
    except OSError:
        return platform.machine()
