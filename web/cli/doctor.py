"""`rail doctor`: is this machine fit, and is this home folder in order?"""

import os
import platform
import stat
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from web.cli.options import engine_options, home_option, json_option, option, settings_from
from web.cli.output import Exit, emit_json, printable, progress, say, verdict_line

if TYPE_CHECKING:
    from web.cli.bits import Comparison
    from web.settings import Settings


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the examination."""

    name: str
    state: str  # "ok", "note" (worth knowing) or "fault"
    detail: str


@click.command()
@option(
    "--bits",
    is_flag=True,
    envvar="RAIL_DOCTOR_BITS",  # RAIL_BITS is a number, for `rail convert`
    help="Run the model in every way the engine has: the bits must agree.",
)
@engine_options
@home_option
@json_option
def doctor(
    bits: bool, model: str | None, threads: int | None, kernels: str | None, home: str | None, as_json: bool
) -> int:
    """Examine this machine, the model and the home folder. Changes nothing.

    \b
    Examples:
      rail doctor
      rail doctor --bits
    """
    settings = settings_from(home=home, model=model, threads=threads, kernels=kernels)
    checks = [*_machine(), *_model(settings), *_home(settings)]
    exit_code = Exit.UNCHECKED if any(check.state == "fault" for check in checks) else Exit.OK
    comparison = _compare(settings) if bits else None
    if comparison:
        checks.append(_bits(comparison))
        if comparison.difference:
            exit_code = Exit.NO_MATCH
    faults = sum(check.state == "fault" for check in checks)
    if as_json:
        answer = {"verdict": "ok" if exit_code is Exit.OK else "fault", "checks": [asdict(check) for check in checks]}
        emit_json(answer | ({"bits": asdict(comparison)} if comparison else {}))
        return exit_code
    for check in checks:
        mark = {"ok": "✓", "note": "·", "fault": "✗"}[check.state]
        say(f"{mark} {check.name:<10} {printable(check.detail)}", fg="red" if check.state == "fault" else None)
    for line in _table(comparison) if comparison else ():
        say(line)
    verdict_line("fit" if not faults else "not fit", f"{faults} faults" if faults else "nothing to repair", exit_code)
    return exit_code


def _machine() -> list[Check]:
    import native
    from web.cli.machine import describe_machine
    from web.version import version

    machine = describe_machine()
    sets = native.backends()
    state = "ok" if len(sets) > 1 else "note"
    return [
        Check("version", "ok", f"rail {version()}, Python {platform.python_version()}, {platform.system()}"),
        Check("processor", "ok", f"{machine.processor}, {machine.cores} usable cores"),
        Check("kernels", state, f"{', '.join(sets)} (in use: {os.environ.get('RAIL_KERNELS') or sets[-1]})"),
    ]


def _model(settings: "Settings") -> list[Check]:
    from inference.errors import InferenceError
    from inference.modelfile import ModelFile

    try:
        with ModelFile.open(settings.model) as opened:
            config = opened.config
            detail = f"{config.name}, context {config.context_tokens}, {opened.size_bytes:,} bytes, {opened.root.hex()}"
        return [Check("model", "ok", detail)]
    except InferenceError as error:
        return [Check("model", "fault", f"[{error.code}] {error}")]


def _home(settings: "Settings") -> list[Check]:
    if not settings.home.exists():
        return [Check("home", "note", f"{settings.home} does not exist yet; `rail generate` or `rail serve` make it")]
    checks = [_private("home", settings.home)]
    checks += [_private("key", path) for path in (settings.log_key, settings.operator_key) if path.exists()]
    return [*checks, _log(settings)]


def _private(name: str, path: os.PathLike[str]) -> Check:
    """Nobody but the owner may read a key, or look into the folder that holds it."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        right = "700" if os.path.isdir(path) else "600"
        return Check(name, "fault", f"{path} is open to others (mode {mode:o}); run: chmod {right} {path}")
    return Check(name, "ok", f"{path} (mode {mode:o})")


def _log(settings: "Settings") -> Check:
    from ledger.errors import LedgerError
    from web.cli.local import open_local
    from web.cli.output import CommandError

    try:
        with open_local(settings) as local:
            return Check("log", "ok", f"{local.log.origin}, {local.log.size()} entries; `rail log fsck` checks all")
    except CommandError as error:
        return Check("log", "note", str(error))
    except LedgerError as error:
        return Check("log", "fault", f"[{error.code}] {error}")


def _compare(settings: "Settings") -> "Comparison":
    from web.cli.bits import compare_bits

    with progress("ways to run the model") as advance:
        return compare_bits(settings.model, advance)


def _bits(comparison: "Comparison") -> Check:
    if comparison.difference:
        return Check("bits", "fault", f"{comparison.difference}: other bits; this machine cannot be trusted")
    digest = comparison.digests["drawn"]
    return Check(
        "bits", "ok", f"{len(comparison.ways)} ways, runs of up to {comparison.tokens} tokens: all {digest[:16]}…"
    )


def _table(comparison: "Comparison") -> list[str]:
    """A line for each way, a column for each kernel set; in it the thread counts, or where the bits differ a cross."""
    ways = comparison.ways
    names, sets = dict.fromkeys(way.name for way in ways), dict.fromkeys(way.kernels for way in ways)

    def cell(name: str, kernels: str) -> str:
        tried = [way for way in ways if (way.name, way.kernels) == (name, kernels)]
        return " ".join(f"{way.threads}{'' if way.same else '✗'}" for way in tried)

    rows = [("same bits with so many threads:", *sets)]
    rows += [(name, *(cell(name, kernels) for kernels in sets)) for name in names]
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return ["  " + "".join(map(str.ljust, row, widths)).rstrip() for row in rows]
