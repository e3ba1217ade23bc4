"""`rail generate`: a logged completion, streamed, with its receipt."""

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.errors import LedgerError
from web.cli.inputs import decode, read_text
from web.cli.options import engine_options, home_option, json_option, option, settings_from
from web.cli.output import CommandError, Exit, emit_json, fact, verdict_line

if TYPE_CHECKING:
    from web.generation import LoggedRun

SEED_MAX = (1 << 63) - 1


@click.command()
@click.argument("prompt")
@option("--seed", type=int, help="Same seed, same bits. [default: a fresh one, which is printed]")
@option("--max-tokens", type=int, default=128, show_default=True, help="Most tokens to generate.")
@option("--temperature", default="0.8", show_default=True, help="0 is greedy; at most 6 decimals.")
@option("--top-k", type=int, default=0, show_default=True, help="Keep the K likeliest tokens; 0 keeps all.")
@option("--top-p", default="0.95", show_default=True, help="Keep the likeliest tokens up to this share.")
@option("--min-p", default="0", show_default=True, help="Leave out tokens below this share of the likeliest.")
@option("--repetition-penalty", default="1", show_default=True, help="For tokens of prompt or output; 1 is off.")
@option("--frequency-penalty", default="0", show_default=True, help="For each time a token is in the output.")
@option("--presence-penalty", default="0", show_default=True, help="For tokens that are in the output.")
@option("--logit-bias", multiple=True, metavar="ID=VALUE", help="Add -100 to 100 to a token; up to 300 times.")
@option("--stop", multiple=True, help="Stop before this text; may be given 4 times.")
@option(
    "--visibility",
    type=click.Choice(["public", "matchable", "private"]),
    help="Who can see the text later. [default: public]",
)
@engine_options
@home_option
@json_option
def generate(
    prompt: str,
    seed: int | None,
    max_tokens: int,
    temperature: str,
    top_k: int,
    top_p: str,
    min_p: str,
    repetition_penalty: str,
    frequency_penalty: str,
    presence_penalty: str,
    logit_bias: tuple[str, ...],
    stop: tuple[str, ...],
    visibility: str | None,
    model: str | None,
    threads: int | None,
    kernels: str | None,
    home: str | None,
    as_json: bool,
) -> int:
    """Generate text from PROMPT (or from standard input, with -) and put the run into the log.

    The text, and nothing else, goes to stdout as it comes. The receipt, which proves the run offline to anybody
    you hand it to, is written to HOME/receipts and holds prompt and output: keep it private if they are.

    \b
    Examples:
      rail generate "Once upon a time" --seed 7 --max-tokens 100
      rail generate "Once upon a time" --temperature 0 --json | jq -r .receipt
      rail generate "Once upon a time" --min-p 0.05 --repetition-penalty 1.1 --logit-bias 13=-100
      cat prompt.txt | rail generate - --visibility private
    """
    from inference.sampling import SamplingParams, micro, parse_logit_bias
    from web.cli.runs import save_receipt, stream_run
    from web.services import build_services

    params = SamplingParams(
        temperature_micro=micro(temperature, "temperature"),
        top_k=top_k,
        top_p_micro=micro(top_p, "top_p"),
        min_p_micro=micro(min_p, "min_p"),
        repetition_micro=micro(repetition_penalty, "repetition_penalty"),
        frequency_micro=micro(frequency_penalty, "frequency_penalty"),
        presence_micro=micro(presence_penalty, "presence_penalty"),
        seed=secrets.randbelow(SEED_MAX + 1) if seed is None else seed,
        max_tokens=max_tokens,
        stop=stop,
        logit_bias=parse_logit_bias(_pair(bias) for bias in logit_bias),
    )
    settings = settings_from(home=home, model=model, threads=threads, kernels=kernels, visibility=visibility)
    if prompt == "-":
        text = read_text(sys.stdin.buffer, "standard input", settings.max_prompt_bytes)
    else:
        text = decode(os.fsencode(prompt), "the prompt")
    services = build_services(settings)
    try:
        run = stream_run(services, text, params, settings.visibility, quiet=as_json)
        try:
            receipt = save_receipt(services, run)
        except (OSError, LedgerError) as error:
            raise _without_receipt(run, error) from error
        if as_json:
            emit_json(_run_json(run, receipt))
        else:
            _print_run(run, receipt, seed is None)
    finally:
        services.close()
    return Exit.OK


def _pair(bias: str) -> tuple[str, str]:
    """ID=VALUE apart; without the sign, VALUE is no decimal number either."""
    id, _, value = bias.partition("=")
    return id, value


def _without_receipt(run: "LoggedRun", error: Exception) -> CommandError:
    """The run is in the log for good; only its receipt is missing, and the log can give it again."""
    from web.present import receipt_url

    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    url = receipt_url(run.entry.index, None if run.visibility == "public" else run.receipt_key)
    return CommandError(
        "receipt_not_written",
        f"logged as record {run.entry.index}, leaf hash {run.entry.leaf_hash.hex()}, but the receipt could not be "
        f"written: {reason}",
        f"`rail serve` on the same --home gives it at {url}",
        fields=_run_json(run, None),
    )


def _run_json(run: "LoggedRun", receipt: Path | None) -> dict[str, object]:
    transcript = run.transcript
    return {
        "verdict": "ok",
        "text": run.text,
        "token_ids": list(transcript.output_ids),
        "prompt_ids": list(transcript.prompt_ids),
        "finish": run.finish,
        "seed": transcript.params.seed,
        "record_id": run.entry.index,
        "leaf_hash": run.entry.leaf_hash.hex(),
        "model_root": transcript.model_root.hex(),
        "engine": transcript.engine,
        "visibility": run.visibility,
        "receipt": str(receipt) if receipt is not None else None,
    }


def _print_run(run: "LoggedRun", receipt: Path, fresh_seed: bool) -> None:
    """All but the text goes to stderr, so that stdout holds the text and nothing else."""
    if sys.stdout.isatty():
        click.echo("\n")
    ended = ", cut off by Ctrl-C" if run.finish == "cancelled" else ""
    sentence = f"{len(run.transcript.output_ids)} tokens{ended}, in the log as record {run.entry.index}"
    verdict_line("logged", sentence, Exit.OK, err=True)
    if fresh_seed:
        fact("seed", run.transcript.params.seed, err=True)
    fact("leaf hash", run.entry.leaf_hash.hex(), err=True)
    fact("model root", run.transcript.model_root.hex(), err=True)
    fact("receipt", receipt, err=True)
