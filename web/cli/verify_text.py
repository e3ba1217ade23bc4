"""Looks a text up: in the log of the home folder, or at a service."""

from typing import Any

from web.assurance import assurance_words
from web.cli.local import open_local
from web.cli.options import settings_from
from web.cli.output import CommandError, Exit, emit_json, fact, note, printable, say, verdict_line
from web.cli.trust import known_logs

SHOWN_SPANS = 10
SHOWN_CHARS = 100
NOTES = {"prompt": "  (was in the prompt)", "common": "  (a phrase that many have)"}
HOLDERS = {"outputs": "  (many outputs have it)", "registrants": "  (many operators registered it)"}
SENTENCES = {
    "exact": "the whole text is the output of a registered run",
    "excerpt": "parts of the text are the output of registered runs",
    "edited": "the text is an edited copy of a registered run's output",
    "reworded": "the text resembles the output of a registered run",
    "none": "no registered match in this log; this says nothing about who wrote the text",
}


def verify_given_text(
    text: str, name: str, url: str | None, private: bool, log_key: str | None, home: str | None, as_json: bool
) -> int:
    """Print the verdict on `text`. Exit code 0 for a match, 1 for none, 2 if it could not be checked.

    A service's log is first held against what it showed before: exit code 3 if it has two histories.
    """
    if not text:
        raise CommandError("empty_text", f"{name} is empty", "give some words to look up")
    verdict = _ask(text, name, url, private, log_key, home) if url else _look_up(text, name, home)
    word = str(verdict["verdict"])
    exit_code = Exit.NO_MATCH if word == "none" else Exit.UNCHECKED if word == "unchecked" else Exit.OK
    if as_json:
        emit_json(verdict)
        return exit_code
    sentence = SENTENCES.get(word) or str(verdict.get("reason") or "the text could not be checked")
    verdict_line(printable(word), sentence, exit_code)
    try:
        _print_evidence(verdict, text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # Another service's idea of a verdict.
        raise CommandError("bad_answer", f"the verdict's evidence cannot be read: {error!r}") from error
    return exit_code


def _look_up(text: str, name: str, home: str | None) -> dict[str, Any]:
    from web.verification import verify_text

    settings = settings_from(home=home)
    _check_size(text, name, settings.max_text_bytes, "check a shorter part of it, or raise RAIL_MAX_TEXT_BYTES")
    with open_local(settings) as local:
        return verify_text(local, text)


def _ask(text: str, name: str, url: str, private: bool, log_key: str | None, home: str | None) -> dict[str, Any]:
    from ledger.keys import VerifyKey
    from web.client import RailClient

    _check_size(text, name, settings_from().max_text_bytes, "check a shorter part of it")
    given = VerifyKey.parse(log_key.strip()) if log_key is not None else None
    with RailClient(url) as client:
        known_logs(home).follow(client, given, note)
        if private:
            from web.cli.verify_private import ask_privately

            return ask_privately(text, client)
        verdict = client.post_json("/api/verify", {"text": text})
    if not isinstance(verdict.get("verdict"), str):
        raise CommandError("bad_answer", f"{url} did not answer with a verdict")
    return verdict


def _check_size(text: str, name: str, limit: int, hint: str) -> None:
    size = len(text.encode())
    if size > limit:
        raise CommandError(
            "text_too_large",
            f"{name} has {size} bytes of UTF-8; at most {limit} are checked at once",
            hint,
        )


def _print_evidence(verdict: dict[str, Any], text: str) -> None:
    """Each line of evidence on its own: share, spans, records, and up to where the log was searched."""
    if verdict["verdict"] in ("exact", "excerpt", "edited"):
        fact(
            "covered",
            f"{verdict['matched_permille'] / 10:.1f} % of the text, longest run {verdict['longest_run_words']} words",
        )
    calibration = verdict.get("calibration")
    if calibration:
        rate = f"at most about {calibration['error_ppm'] / 10_000:.1f} % of {calibration['negatives']}"
        fact("false alarms", f"{rate}; fitted by {calibration['fitted']}")
    if verdict.get("truncated"):
        checked = f"only the first {verdict['checked_chars']} of {verdict['text_chars']} characters"
        fact("truncated", f"{checked} were searched for excerpts; check the rest by itself")
    if verdict.get("search_capped"):
        fact("capped", "more records share short phrases with this text than were compared; check it in parts")
    spans = verdict.get("spans") or []
    for span in spans[:SHOWN_SPANS]:
        part = " ".join(text[span["start"] : span["end"]].split())
        part = part if len(part) <= SHOWN_CHARS else part[: SHOWN_CHARS - 1] + "…"
        note = NOTES.get(span.get("subtracted"), "") + HOLDERS.get(span.get("common_to"), "")
        fact("span", f"characters {span['start']}-{span['end']} = record {span['record_id']}: “{part}”{note}")
    if len(spans) > SHOWN_SPANS:
        say(f"  … and {len(spans) - SHOWN_SPANS} more spans (--json shows all)")
    asked = verdict.get("asked")
    for record in verdict.get("records") or []:
        if asked:
            fact(
                "record",
                f"{record['record_id']}, to open it tells the service which one",
            )
        else:
            _print_record(record)
    if asked:
        fact("told", f"the service saw {asked['buckets']} bucket numbers of {asked['prefix_bits']} bits, not the text")
        fact("unknown", "whether the runs' prompts contained these words already")
    first, registrants = verdict.get("first_registered"), verdict.get("registrants") or 0
    if first and len(verdict.get("records") or []) > 1:
        by = (first.get("operator") or {}).get("name") or "an unnamed operator"
        note = f"; {registrants} operators registered such records" if registrants > 1 else ""
        fact("first", f"record {first.get('record_id')}, {first.get('logged')} by the log's clock, by {by}{note}")
    log = verdict.get("log")
    if isinstance(log, dict):
        fact("log", f"{log.get('origin')}, {log.get('size')} entries, {log.get('time')}")


def _print_record(record: dict[str, Any]) -> None:
    operator = (record.get("operator") or {}).get("name") or "an unnamed operator"
    earlier = record.get("later_than")
    later = "" if earlier is None else f", later than record {earlier} of another operator"
    model = record.get("model") or {}
    root = str(model.get("root") or "")[:16]
    fact(
        "record",
        f"{record['record_id']}, first registered {record.get('logged')} by the log's clock, by {operator}{later}",
    )
    fact("time", f"{record.get('time')}, stated by the operator")
    fact("model", f"{model.get('name')} ({root}…)")
    replays = [str(replay.get("verdict")) for replay in record.get("replays") or []]
    fact("assurance", assurance_words(record.get("assurance"), record.get("engine"), replays))
    fact("replays", ", ".join(replays) if replays else "none published yet")
    resemblance = record.get("resemblance")
    if resemblance:
        place = f"characters {resemblance['start']}-{resemblance['end']}"
        fact("aligned", f"{resemblance['aligned_permille'] / 10:.1f} % of {place}, word for word in the same order")
        score = f"score {resemblance['score']}, {resemblance['score_needed']} needed"
        fact("resembles", f"{resemblance['terms_permille'] / 10:.1f} % of its words by rarity; {score}")
    echo = record.get("echo_permille")
    if echo:
        fact("echo", f"{echo / 10:.1f} % of that output was already in its prompt")
    say(f"  leaf hash   {printable(str(record.get('leaf_hash')))}")
