"""`rail witness`: cosign the checkpoints of logs, so that none of them can show different people different trees."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.options import home_option, json_option, log_options, option
from web.cli.output import CommandError, Exit, emit_json, fact, printable, say, verdict_line

if TYPE_CHECKING:
    from ledger.keys import SigningKey
    from ledger.witness import Witness
    from ledger.witness.rates import Rates


@click.group()
def witness() -> None:
    """Run a witness (C2SP tlog-witness) of any transparency logs.

    \b
    Examples:
      rail witness init --name witness.example.org/w1
      rail witness add-log rail.example/log1+7fd7bc70+AQOhB7/z...
      rail witness serve --port 7380
      rail witness info
      rail witness evidence rail.example/log1 --json
      rail witness remove-log rail.example/log1
    """


@witness.command()
@option("--name", required=True, help="The witness's name: an address without https://, for ever.")
@option("--ml-dsa", is_flag=True, help="Make a second key too, ML-DSA-44, and sign with both.")
@home_option
@json_option
def init(name: str, ml_dsa: bool, home: str | None, as_json: bool) -> int:
    """Make the witness's key and its empty memory, in HOME/witness. Neither is ever overwritten."""
    from ledger.keys import COSIGNATURE_V1, ML_DSA_44, SigningKey, check_key_name
    from ledger.witness import Witness

    check_key_name(name)
    folder = _folder(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / "witness.db").exists():
        raise CommandError("witness_exists", f"{folder} holds a witness already", "`rail witness info` shows it")
    if not (folder / "witness.key").exists():
        SigningKey.generate(name, COSIGNATURE_V1).save(folder / "witness.key")
    if ml_dsa and not (folder / "witness-ml-dsa.key").exists():
        SigningKey.generate(name, ML_DSA_44).save(folder / "witness-ml-dsa.key")
    keys = _keys(folder)
    Witness.open(folder / "witness.db", keys, create=True).close()
    vkeys = [key.vkey for key in keys]
    if as_json:
        emit_json({"verdict": "made", "vkeys": vkeys, "folder": str(folder)})
        return Exit.OK
    verdict_line("made", f"witness {keys[0].name}", Exit.OK)
    for vkey in vkeys:
        fact("key", vkey)
    fact("folder", folder)
    return Exit.OK


@witness.command("add-log")
@click.argument("vkey")
@option("--origin", help="The log's name, where it is not the key's.")
@home_option
@json_option
def add_log(vkey: str, origin: str | None, home: str | None, as_json: bool) -> int:
    """Trust the key VKEY for a log. A log may have several keys, as while it changes from one to the next."""
    from ledger.keys import VerifyKey

    key = VerifyKey.parse(vkey.strip())
    with _opened(home) as opened:
        new = opened.add_log(key, origin)
    name = origin or key.name
    if as_json:
        emit_json({"verdict": "added" if new else "known", "origin": name, "vkey": key.vkey})
    else:
        verdict_line("added" if new else "known", f"{name} is cosigned if {key.vkey} signed it", Exit.OK)
    return Exit.OK


@witness.command("remove-log")
@click.argument("origin")
@home_option
@json_option
def remove_log(origin: str, home: str | None, as_json: bool) -> int:
    """Cosign the log ORIGIN no more. How far it was cosigned is remembered, in case it comes back."""
    with _opened(home) as opened:
        opened.remove_log(origin)
    if as_json:
        emit_json({"verdict": "removed", "origin": origin})
    else:
        verdict_line("removed", f"{origin} is not cosigned any more", Exit.OK)
    return Exit.OK


@witness.command()
@home_option
@json_option
def info(home: str | None, as_json: bool) -> int:
    """Show the witness's keys, its logs and how far each was cosigned. Exit code 3 if a log contradicted itself."""
    from web.present import rfc3339

    with _opened(home) as opened:
        vkeys, logs = [key.vkey for key in opened.keys], opened.logs()
    exit_code = Exit.PROOF_FAILED if any(log.refused for log in logs) else Exit.OK
    if as_json:
        rows = [
            {
                "origin": log.origin,
                "vkeys": list(log.vkeys),
                "size": log.size,
                "cosigned": None if log.time is None else rfc3339(log.time),
                "refused": log.refused,
            }
            for log in logs
        ]
        emit_json({"verdict": "ok" if exit_code is Exit.OK else "proof_failed", "vkeys": vkeys, "logs": rows})
        return exit_code
    for vkey in vkeys:
        fact("key", vkey)
    if not logs:
        fact("logs", "none yet: rail witness add-log VKEY")
    for log in logs:
        say(f"  {log.origin}")
        for vkey in log.vkeys:
            fact("  log key", vkey)
        cosigned = "nothing yet" if log.time is None else f"size {log.size}, {rfc3339(log.time)}"
        fact("  cosigned", cosigned)
        if log.refused:
            fact("  refused", f"{log.refused} checkpoints that contradict it, see `rail witness evidence`")
    return exit_code


@witness.command()
@click.argument("origin", required=False)
@home_option
@json_option
def evidence(origin: str | None, home: str | None, as_json: bool) -> int:
    """Print what logs signed that did not extend what was cosigned before, each beside the checkpoint that was.

    Two notes of one size with two roots prove by themselves that the log lied. Where sizes differ, the log owes a proof
    that one tree continues the other. Exit code 3 if there is any.
    """
    from web.present import rfc3339

    with _opened(home) as opened:
        found = opened.evidence(origin)
    exit_code = Exit.PROOF_FAILED if found else Exit.OK
    if as_json:
        rows = [
            {
                "origin": item.origin,
                "reason": item.reason,
                "time": rfc3339(item.time),
                "refused": item.refused.decode(),
                "known": item.known.decode(),
            }
            for item in found
        ]
        emit_json({"verdict": "proof_failed" if found else "ok", "evidence": rows})
        return exit_code
    for item in found:
        say(f"  {rfc3339(item.time)} {item.origin} [{item.reason}]")
        for name, text in (("refused", item.refused), ("known", item.known)):
            fact(name, "")
            say(printable(text.decode(), keep="\n"))
    sentence = f"{len(found)} refused checkpoints" if found else "no log contradicted itself"
    verdict_line("contradiction" if found else "clean", sentence, exit_code)
    return exit_code


@witness.command()
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@option("--port", type=click.IntRange(1, 65535), default=7380, show_default=True, help="Port to listen on.")
@option("--request-threads", type=click.IntRange(1, 512), default=16, show_default=True, help="Requests at one time.")
@option(
    "--log-rate",
    type=click.FloatRange(0.01, 10_000),
    default=10.0,
    show_default=True,
    help="Checkpoints a second of one log; beyond it, 429.",
)
@log_options
@home_option
@json_option
def serve(
    host: str,
    port: int,
    request_threads: int,
    log_rate: float,
    log_format: str,
    log_level: str | None,
    home: str | None,
    as_json: bool,
) -> int:
    """Serve add-checkpoint and the cosigned checkpoints, until Ctrl-C or SIGTERM. Put a TLS proxy before it.

    Logs that are added or removed meanwhile count at once.
    """
    from ledger.witness.rates import Rates
    from web.cli.server import Running, run_wsgi, url_of
    from web.logs import configure
    from web.witness_app import create_witness_app

    folder = _folder(home)

    def build() -> Running:
        opened = _open(folder, Rates(log_rate))

        def announce() -> None:
            vkeys = [key.vkey for key in opened.keys]
            if as_json:
                emit_json({"verdict": "serving", "url": url_of(host, port), "vkeys": vkeys, "folder": str(folder)})
                return
            verdict_line("serving", url_of(host, port), Exit.OK)
            for vkey in vkeys:
                fact("key", vkey)
            fact("logs", len(opened.logs()))
            fact("stop", "Ctrl-C")

        return Running(create_witness_app(opened), announce, opened.close)

    configure(log_format, log_level)
    run_wsgi(host, port, request_threads, build, as_json)
    return Exit.OK


def _folder(home: str | None) -> Path:
    from web.cli.trust import home_folder

    return home_folder(home) / "witness"


def _keys(folder: Path) -> "list[SigningKey]":
    from ledger.keys import SigningKey

    second = folder / "witness-ml-dsa.key"
    return [SigningKey.load(path) for path in (folder / "witness.key", second) if path.exists() or path != second]


def _open(folder: Path, rates: "Rates | None" = None) -> "Witness":
    from ledger.witness import Witness

    if not (folder / "witness.db").exists():
        raise CommandError("no_witness", f"{folder} holds no witness", "make one: rail witness init --name NAME")
    return Witness.open(folder / "witness.db", _keys(folder), rates=rates)


def _opened(home: str | None) -> "Witness":
    return _open(_folder(home))
