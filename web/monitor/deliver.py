"""How events leave: by webhook, as an Atom file, as lines. A delivery that fails is an error, and comes again."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from web.audit.errors import AuditError
from web.client import normal_url
from web.files import SHARED, replace_file
from web.monitor.atom import feed
from web.monitor.event import Event
from web.version import version

ATTEMPTS = 3
PAUSE_SECONDS = 1.0  # before the second attempt; doubled before each further one
TIMEOUT_SECONDS = 10.0
FORMAT = "rail-monitor-events/1"


class Delivery:
    """All the ways out that the owner chose. Each call delivers everywhere, or raises."""

    def __init__(self, webhook: str | None, atom: Path | None, say: Callable[[Event], None]) -> None:
        """ClientError `bad_url` for a webhook that is no http(s) address."""
        self._webhook = None if webhook is None else _address(webhook)
        self._atom = atom
        self._say = say

    def send(self, log: str, events: Sequence[Event], recent: Sequence[Event]) -> None:
        """`events` are new, `recent` is what the feed shows, with them. AuditError `not_delivered`, OSError."""
        if events and self._webhook is not None:
            body = {"format": FORMAT, "log": log, "events": [event.to_json() for event in events]}
            _post(self._webhook, body)
        if self._atom is not None and (events or not self._atom.exists()):
            replace_file(self._atom, feed(log, recent), SHARED)
        for event in events:
            self._say(event)


def _address(url: str) -> str:
    normal_url(url.partition("?")[0])
    return url


def _post(url: str, body: dict[str, Any]) -> None:
    headers = {"User-Agent": f"rail/{version()}"}
    failure = ""
    with httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers, follow_redirects=False) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                with client.stream("POST", url, json=body) as response:  # what it answers is not read
                    if response.is_success:
                        return
                    failure = f"it answered {response.status_code}"
            except httpx.HTTPError as error:
                failure = str(error) or type(error).__name__
    shown = url.partition("?")[0]  # a query may hold a secret
    raise AuditError(
        "not_delivered",
        f"the webhook {shown} took none of {ATTEMPTS} deliveries: {failure}",
        "nothing is lost: the same events are sent in the next round",
    )
