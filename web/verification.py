"""Verify a pasted text: the index's verdict, joined with what the log says about each record."""

from ledger.index.verdict import Verdict

from web.present import log_json, record_summary
from web.services import Services


def verify_text(services: Services, text: str) -> dict[str, object]:
    """The verdict on `text` as JSON: matched spans, and for each record who made it, when, with which model.

    A text that cannot be checked is a verdict (`unchecked` and its reason), not an error. The text of a
    record is not part of the answer; a private record cannot appear in it.
    """
    services.index.catch_up(services.log)
    verdict: Verdict = services.index.verify(text, services.log)
    body = verdict.to_json()
    body["records"] = [
        {**match, **record_summary(services, services.log.entry(match["record_id"]))} for match in body["records"]
    ]
    body["log"] = log_json(services)
    return body
