"""`rail demo`: the whole idea on the shipped model, each claim checked as it is made."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.demo_steps import Steps
from web.cli.options import engine_options, json_option, option, settings_from
from web.cli.output import CommandError, Exit, emit_json, say, verdict_line

if TYPE_CHECKING:
    from web.settings import Settings


@click.command()
@option(
    "--home",
    type=click.Path(file_okay=False),
    envvar="RAIL_DEMO_HOME",
    help="Folder to use. [default: a new temporary one]",
)
@engine_options
@json_option
def demo(home: str | None, model: str | None, threads: int | None, kernels: str | None, as_json: bool) -> int:
    """Generate, log, verify and replay on the shipped model, then exit. Touches nothing but a folder of its own.

    Every claim is checked while it is made; the first one that does not hold ends the demo with a non-zero exit code.

    \b
    Examples:
      rail demo
      rail demo --home ./demo --threads 2
    """
    folder = Path(home).absolute() if home else Path(tempfile.mkdtemp(prefix="rail-demo-"))
    if folder.exists() and any(folder.iterdir()):
        raise CommandError("home_not_empty", f"{folder} is not empty", "the demo wants a new folder, to show all of it")
    settings = settings_from(
        home=folder, database=f"sqlite:///{folder / 'rail.db'}", model=model, threads=threads, kernels=kernels
    )
    steps = Steps(quiet=as_json)
    if not as_json:
        say("RAIL: did this text come from a registered model run?", bold=True)
        say(f"Everything below happens in {folder}")
    receipt = _run(steps, settings)
    if as_json:
        emit_json({"verdict": "ok", "steps": steps.to_json(), "home": str(folder), "receipt": str(receipt)})
        return Exit.OK
    say()
    verdict_line("demo passed", f"{len(steps.done)} steps in {steps.seconds:.1f} s, every claim held", Exit.OK)
    say(f"  Go on with:  rail verify {receipt} --home {folder} --replay")
    say(f"               rail serve --home {folder}")
    return Exit.OK


def _run(steps: Steps, settings: "Settings") -> Path:
    """All steps; returns the receipt's path."""
    from web.cli import demo_offline, demo_online
    from web.services import build_services

    with steps.step("The model, the keys and an empty log"):
        services = build_services(settings)
        demo_online.show_model(steps, services)
    try:
        run, receipt = demo_online.generate(steps, services)
        demo_online.look_up(steps, services, run)
        facts = demo_offline.Facts(
            receipt, services.log.vkey, settings, services.engine.kernels, services.engine.threads
        )
    finally:
        services.close()
    demo_offline.check(steps, facts, run)
    demo_offline.replay(steps, facts, run)
    demo_offline.tamper(steps, facts)
    return receipt
