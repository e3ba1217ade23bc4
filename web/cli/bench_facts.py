"""On what a measurement was made, and how to repeat it."""

import shlex
import sys
from dataclasses import asdict
from typing import Any

from web.cli.output import fact


def facts_of_run() -> dict[str, Any]:
    """Machine, version and command line."""
    from web.cli.machine import describe_machine
    from web.version import version

    command = shlex.join(["rail", *sys.argv[1:]])
    return {"machine": asdict(describe_machine()), "version": version(), "command": command}


def say_facts(facts: dict[str, Any]) -> None:
    """The facts for people, those that are there."""
    machine = facts["machine"]
    fact("machine", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}")
    fact("version", f"rail {facts['version']}")
    for name in ("model", "peer", "records", "command"):
        if name in facts:
            fact(name, facts[name])
