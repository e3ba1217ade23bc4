"""The `rail` command: one group here, one small file a command, loaded only when it is asked for."""

import click

from web.cli.group import LazyGroup, print_version

COMMANDS = {
    "demo": "web.cli.demo:demo",
    "serve": "web.cli.serve:serve",
    "generate": "web.cli.generate:generate",
    "verify": "web.cli.verify:verify",
    "audit": "web.cli.audit:audit",
    "convert": "web.cli.convert:convert",
    "model": "web.cli.model:model",
    "log": "web.cli.log:log",
    "key": "web.cli.key:key",
    "index": "web.cli.index:index",
    "operator": "web.cli.operator:operator",
    "submit": "web.cli.submit:submit",
    "receipt": "web.cli.receipt:receipt",
    "monitor": "web.cli.monitor:monitor",
    "mirror": "web.cli.mirror:mirror",
    "witness": "web.cli.witness:witness",
    "doctor": "web.cli.doctor:doctor",
    "bench": "web.cli.bench:bench",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=print_version, help="Show version."
)
def main() -> None:
    """Did this text come from a registered model run?

    RAIL generates text with an engine whose every bit is reproducible, puts each run into a public append-only
    log, and proves later, offline, that a text came from it.

    \b
    Start here:
      rail demo                                     the whole idea, on the shipped model
      rail generate "Once upon a time" --seed 7     a logged completion with a receipt
      rail verify story.txt                         which run did this text come from?
      rail verify receipt.json                      offline proof, no server needed
      rail audit https://rail.example               check somebody else's log and replay a sample

    \b
    Exit codes of every command:
      0  match, or done        2  could not check
      1  no match, mismatch    3  a proof or a signature failed

    Each option can also be set by the environment variable shown beside it.
    """
