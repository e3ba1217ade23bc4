"""gunicorn's log as events of ours: a line for each finished request, and nothing that quotes a client."""

import logging
import sys
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from web.logs import stack_of
from web.request_log import request_fields, requests_log


class ServerLog(Logger):
    """Writes to the root logger, whose form `web.logs.configure` chose."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)  # below it gunicorn tells of its own start and end

    @property
    def access_log_enabled(self) -> bool:
        return requests_log.isEnabledFor(logging.INFO)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        if self.access_log_enabled:
            fields = request_fields(
                environ, int(str(resp.status)[:3]), getattr(resp, "sent", None), request_time.total_seconds()
            )
            requests_log.info("request", extra=fields)

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """While an exception is handled, the message quotes it, and that quotes the request that it could not read."""
        error = sys.exc_info()[1]
        if error is None:
            super().warning(msg, *args, **kwargs)
        else:
            self.error_log.warning("bad_request", extra={"error": type(error).__name__})

    def exception(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Likewise: `msg` may hold the whole URL."""
        kind, _, trace = sys.exc_info()
        name = kind.__name__ if kind is not None else "unknown"
        self.error_log.error("server_error", extra={"error": name, "stack": stack_of(trace)})
