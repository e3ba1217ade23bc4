"""The service as a gunicorn application: one worker process with threads, because the log has one writer."""

import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from web.cli.group import as_command_error
from web.cli.output import CommandError, Exit, emit_json, fact, report_error, verdict_line
from web.settings import Settings

if TYPE_CHECKING:
    from web.services import Services

GRACE_SECONDS = 30  # for requests that are running when the service is told to stop
SILENCE_SECONDS = 120  # without a sign of life from the worker's main loop, before it is replaced


def run_server(settings: Settings, request_threads: int, as_json: bool) -> None:
    """Serve until told to stop. Raises CommandError if the address is taken or the service cannot start."""
    _check_address(settings.host, settings.port)
    arbiter = os.getpid()
    try:
        _Server(settings, request_threads, as_json).run()
    except SystemExit as end:
        if os.getpid() != arbiter:
            raise  # The worker, a fork of this process, leaves with the code that the arbiter waits for.
        if end.code:
            raise CommandError("not_started", "the service could not start; the reason is above") from None


class _Server(BaseApplication):
    """Services are built in the worker, after the fork, because their threads and connections would not survive it."""

    def __init__(self, settings: Settings, request_threads: int, as_json: bool) -> None:
        self.settings = settings
        self.request_threads = request_threads
        self.as_json = as_json
        self.services: Services | None = None
        super().__init__(prog="rail serve")

    def load_config(self) -> None:
        choices = {
            "bind": f"{_bracketed(self.settings.host)}:{self.settings.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": self.request_threads,
            "timeout": SILENCE_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 15,
            "loglevel": "warning",
            "proc_name": "rail",
            "worker_exit": self._close,
            "control_socket_disable": True,  # gunicorn 25.1 and later; nobody asked for a second way in
        }
        for name, value in choices.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        from web import create_app
        from web.services import build_services

        try:
            self.services = build_services(self.settings)
            app = create_app(self.services)
        except Exception as error:
            report_error(as_command_error(error), self.as_json)
            sys.exit(Arbiter.APP_LOAD_ERROR)
        self._announce(self.services)
        return app

    def _announce(self, services: "Services") -> None:
        url = f"http://{_bracketed(self.settings.host)}:{self.settings.port}"
        if self.as_json:
            facts = {"url": url, "log_vkey": services.log.vkey, "home": str(self.settings.home), "pid": os.getppid()}
            emit_json({"verdict": "serving", **facts, "model_root": services.engine.model.root.hex()})
        else:
            verdict_line("serving", url, Exit.OK)
            fact("log key", services.log.vkey)
            fact("home", self.settings.home)
            fact("model", f"{services.engine.model.config.name} ({services.engine.model.root.hex()[:16]}…)")
            fact("stop", "Ctrl-C")
        sys.stdout.flush()

    def _close(self, server: object, worker: object) -> None:
        """Called in the worker as it leaves: what was submitted is written."""
        if self.services is not None:
            self.services.close()


def _check_address(host: str, port: int) -> None:
    """Raise CommandError unless this address can be listened on now."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandError(
            "address_unusable",
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            "choose another --port",
        ) from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
