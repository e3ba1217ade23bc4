"""The demo's first half: generate, log, and look four texts up."""

from pathlib import Path
from typing import Any

import click

from inference.config import ENGINE
from inference.sampling import SamplingParams
from web.cli.demo_steps import Steps
from web.cli.demo_texts import EXCERPT_WORDS, UNRELATED, disguise, quote
from web.cli.output import say
from web.cli.runs import save_receipt, stream_run
from web.generation import LoggedRun
from web.services import Services
from web.verification import verify_text

PROMPT = "Once upon a time"
FIRST_SEED = 4
SEEDS_MAX = 20  # a story may end early; the next seed tells another one
TOKENS_MIN = 100
TOKENS_MAX = 160


def show_model(steps: Steps, services: Services) -> None:
    model, engine = services.engine.model, services.engine
    steps.show("model", f"{model.config.name}, {model.size_bytes:,} bytes, context {model.config.context_tokens}")
    steps.show("model root", model.root.hex())
    threads = "1 thread" if engine.threads == 1 else f"{engine.threads} threads"
    steps.show("engine", f"{ENGINE}, {engine.kernels} kernels, {threads}, no floating point")
    steps.show("log", services.log.origin)
    steps.show("log key", services.log.vkey)


def generate(steps: Steps, services: Services) -> tuple[LoggedRun, Path]:
    """A logged completion of at least TOKENS_MIN tokens, with its receipt on disk."""
    with steps.step("A seeded completion, streamed and logged"):
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS_MAX):
            params = SamplingParams(
                temperature_micro=700_000, top_p_micro=900_000, seed=seed, max_tokens=TOKENS_MAX, stop=()
            )
            if not steps.quiet:
                say(f"  “{PROMPT}”, seed {seed}, temperature 0.7, top-p 0.9")
                say()
                click.secho(PROMPT, dim=True, nl=False)
            run = stream_run(services, PROMPT, params, "public", quiet=steps.quiet)
            if not steps.quiet:
                say("\n")
            if len(run.transcript.output_ids) >= TOKENS_MIN:
                break
            steps.show("", f"the model ended this story after {len(run.transcript.output_ids)} tokens; the next seed:")
        tokens = len(run.transcript.output_ids)
        steps.claim(tokens >= TOKENS_MIN, f"no seed gave {TOKENS_MIN} tokens")
        receipt = save_receipt(services, run)
        steps.claim(services.log.entry(run.entry.index).leaf_hash == run.entry.leaf_hash, "the entry is not in the log")
        steps.show("tokens", tokens)
        steps.show("record", f"{run.entry.index} ({len(run.entry.statement)} bytes, commitments only, no text)")
        steps.show("leaf hash", run.entry.leaf_hash.hex())
        steps.show("log size", services.log.size())
        steps.show("receipt", receipt)
    return run, receipt


def look_up(steps: Steps, services: Services, run: LoggedRun) -> None:
    """The four lookups of a reader who has found some text."""
    with steps.step("Look up the whole text"):
        verdict = _verdict(steps, services, run.text)
        _claim_record(steps, verdict, "exact", run)
    with steps.step("Look it up with other spaces and quotes, and with invisible characters added"):
        disguised = disguise(run.text)
        steps.claim(disguised != run.text, "the text was not changed")
        verdict = _verdict(steps, services, disguised)
        _claim_record(steps, verdict, "exact", run)
        steps.claim(verdict["layer"] == "normalised", f"it matched as {verdict['layer']}, not normalised")
    with steps.step(f"Look up a paragraph by somebody else that quotes {EXCERPT_WORDS} words of it"):
        quotation = quote(run.text)
        verdict = _verdict(steps, services, quotation.text)
        _claim_record(steps, verdict, "excerpt", run)
        found = [(span["start"], span["end"]) for span in verdict["spans"]]
        steps.show("span", f"characters {found[0][0]} to {found[0][1]} of {len(quotation.text)}")
        expected = [(quotation.start, quotation.end)]
        steps.claim(found == expected, f"the matched spans are {found}, the quotation is at {expected}")
    with steps.step("Look up an unrelated text"):
        verdict = _verdict(steps, services, UNRELATED)
        steps.claim(verdict["verdict"] == "none", f"the verdict is {verdict['verdict']}")


def _verdict(steps: Steps, services: Services, text: str) -> dict[str, Any]:
    verdict = verify_text(services, text)
    layer = f", {verdict['layer']}" if verdict["layer"] not in (None, verdict["verdict"]) else ""
    share = f", {verdict['matched_permille'] / 10:.1f} % of the text" if verdict["spans"] else ""
    steps.show("verdict", f"{verdict['verdict']}{layer}{share}")
    return verdict


def _claim_record(steps: Steps, verdict: dict[str, Any], expected: str, run: LoggedRun) -> None:
    steps.claim(verdict["verdict"] == expected, f"the verdict is {verdict['verdict']} instead of {expected}")
    records = [record["record_id"] for record in verdict["records"]]
    steps.claim(records == [run.entry.index], f"it names the records {records} instead of {run.entry.index}")
