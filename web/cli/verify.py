"""`rail verify`: a text against a log, or a receipt against a log's key."""

import os
import sys
from pathlib import Path

import click

from web.cli.inputs import decode, read_bytes, read_file
from web.cli.options import engine_options, home_option, json_option, option
from web.cli.output import CommandError
from web.cli.verify_cose import looks_transparent, verify_transparent
from web.cli.verify_proof import looks_like_proof, verify_proof

INPUT_BYTES_MAX = 24 << 20  # the largest receipt; texts have their own, smaller limit


@click.command()
@click.argument("subject", metavar="TEXT|FILE|RECEIPT|-")
@option("--log-key", metavar="VKEY", help="Key of the log to trust. [default: the key of the log in --home]")
@option("--text", metavar="FILE", type=click.Path(), help="Compare this text with the output in the receipt.")
@option("--replay", is_flag=True, help="Run the generation in the receipt again and compare every bit.")
@option("--policy", type=click.Path(dir_okay=False), help="tlog-policy file: the witnesses that must have cosigned.")
@option("--entry", metavar="FILE", type=click.Path(), help="The entry that a .tlog-proof or a COSE receipt is about.")
@option("--url", metavar="URL", help="Ask this service about the text instead of the log in --home.")
@option("--private", is_flag=True, help="With --url: keep the text here and ask for buckets of fingerprints only.")
@engine_options
@home_option
@json_option
def verify(
    subject: str,
    log_key: str | None,
    text: str | None,
    replay: bool,
    policy: str | None,
    entry: str | None,
    url: str | None,
    private: bool,
    model: str | None,
    threads: int | None,
    kernels: str | None,
    home: str | None,
    as_json: bool,
) -> int:
    """Find out whether a text came from a registered run, or check a receipt.

    The argument is a file, a text, or - for standard input. A receipt (receipt.json, or a statement with its COSE
    receipt) is recognised by its content and checked offline: no database, no network, only the key of the log, which
    you must know from elsewhere.

    \b
    Examples:
      rail verify story.txt                              against the log in --home
      pbpaste | rail verify - --url https://rail.example against a service
      rail verify draft.txt --url URL --private          the service does not see the text
      rail verify receipt.json --log-key "$KEY"          offline
      rail verify receipt.json --text story.txt          and does it prove this text?
      rail verify receipt.json --replay                  and does the model really say that?
      rail verify record.cose --log-key "$KEY"           offline, a statement with its COSE receipt
      rail verify 7.tlog-proof --entry 7.cose            offline, a C2SP proof of any log
      rail verify 7.receipt.cose --entry 7.entry         offline, a COSE receipt by itself
      rail verify receipt.json --policy witnesses        and did enough witnesses see it?
      rail verify receipt.json --url https://rail.example and does the log still have one history?

    What a log shows is held against what it showed before: a log with two histories is exit code 3, with both of its
    signed notes kept as evidence in HOME/known-logs.
    """
    data, name = _read(subject)
    if looks_like_receipt(data):
        from web.cli.verify_receipt import Checks, verify_receipt

        options = {"model": model, "threads": threads, "kernels": kernels}
        checks = Checks(
            Path(text) if text else None, options if replay else None, Path(policy) if policy else None, url
        )
        return verify_receipt(data, log_key, home, checks, as_json)
    if looks_like_proof(data) and not (text or replay):
        return verify_proof(
            data, Path(entry) if entry else None, log_key, Path(policy) if policy else None, home, as_json
        )
    if looks_transparent(data) and not (text or replay or policy):
        return verify_transparent(data, Path(entry) if entry else None, log_key, home, as_json)
    if text or replay or policy:
        flag = "--text" if text else "--replay" if replay else "--policy"
        raise CommandError(
            "not_a_receipt", f"{name} is not a receipt, and {flag} needs one", "`rail generate` writes one"
        )
    from web.cli.verify_text import verify_given_text

    if private and not url:
        raise CommandError("private_without_url", "--private asks a service, and none is named", "add --url URL")
    return verify_given_text(decode(data, name), name, url, private, log_key, home, as_json)


def looks_like_receipt(data: bytes) -> bool:
    """Whether these bytes are meant as a receipt, even a damaged one.

    A receipt is a JSON object of named parts. Several of these names and one of its braces are still there if any
    single place was altered, so that such a file is refused as a receipt and not looked up as a text.
    """
    trimmed = data.strip()
    braces = trimmed[:1] == b"{" or trimmed[-1:] == b"}"
    names = (b'"rail-receipt/', b'"entry"', b'"operator"', b'"checkpoint"', b'"opening"', b'"statement"', b'"proof"')
    return braces and sum(name in data for name in names) >= 4


def _read(subject: str) -> tuple[bytes, str]:
    """The bytes to check and what to call them."""
    if subject == "-":
        return read_bytes(sys.stdin.buffer, "standard input", INPUT_BYTES_MAX), "standard input"
    path = Path(subject)
    if subject and _exists(path):  # Path of nothing is the current folder
        if path.is_dir():
            raise CommandError("not_a_file", f"{subject} is a folder", "name one file in it")
        return read_file(path, INPUT_BYTES_MAX), subject
    if path.suffix and path.stem and not any(char.isspace() for char in subject):
        raise CommandError("no_such_file", f"there is no file {subject}", "to check these very words, pipe them to -")
    return os.fsencode(subject), "the text"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # Too long for a name, or with a NUL: a text.
        return False
