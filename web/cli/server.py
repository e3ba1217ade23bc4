"""The service as a gunicorn application: one worker process with threads, because the log has one writer."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from web.cli.group import as_command_error
from web.cli.output import CommandError, Exit, emit_json, fact, report_error, verdict_line
from web.cli.patient_worker import PatientWorker, connections_limit
from web.cli.server_log import ServerLog
from web.settings import Settings

if TYPE_CHECKING:
    from web.direct import DirectSubmission
    from web.services import Services

GRACE_SECONDS = 30  # for requests that are running when the service is told to stop
SILENCE_SECONDS = 120  # without a sign of life from the worker's main loop, before it is replaced


@dataclass(frozen=True, slots=True)
class Running:
    """What a worker serves, how it says so, and what to do as it leaves."""

    app: Any  # WSGI
    announce: Callable[[], None]
    close: Callable[[], None]
    started: Callable[[Callable[[], int]], None] = lambda _: None  # is given what counts the open connections
    direct: "DirectSubmission | None" = None  # None: all requests go to the application


def run_server(settings: Settings, request_threads: int, as_json: bool) -> None:
    """Serve the log and its API until told to stop; errors as of `run_wsgi`."""

    def build() -> Running:
        from web import create_app
        from web.direct import DirectSubmission
        from web.metrics import metrics_of
        from web.services import build_services

        services = build_services(settings)
        services.log.hold_lease()
        if services.feeder is not None:
            services.feeder.start()
        app = create_app(services)
        metrics = metrics_of(app)
        direct = DirectSubmission(app, services, metrics)
        return Running(app, lambda: _announce(services, as_json), services.close, metrics.count_connections, direct)

    run_wsgi(settings.host, settings.port, request_threads, build, as_json)


def run_wsgi(host: str, port: int, threads: int, build: Callable[[], Running], as_json: bool) -> None:
    """Serve what `build` makes, in the worker. Raises CommandError if the address is taken or it cannot start."""
    _check_address(host, port)
    arbiter = os.getpid()
    try:
        _Server(f"{_bracketed(host)}:{port}", threads, build, as_json).run()
    except SystemExit as end:
        if os.getpid() != arbiter:
            raise  # The worker, a fork of this process, leaves with the code that the arbiter waits for.
        if end.code:
            raise CommandError("not_started", "the service could not start; the reason is above") from None


class _Server(BaseApplication):
    """Services are built in the worker, after the fork, because their threads and connections would not survive it."""

    def __init__(self, bind: str, threads: int, build: Callable[[], Running], as_json: bool) -> None:
        self.bind = bind
        self.threads = threads
        self.build = build
        self.as_json = as_json
        self.running: Running | None = None
        super().__init__(prog="rail serve")

    def load_config(self) -> None:
        choices = {
            "bind": self.bind,
            "workers": 1,
            "worker_class": PatientWorker,
            "worker_connections": max(connections_limit(), self.threads + 1),
            "threads": self.threads,
            "timeout": SILENCE_SECONDS,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 15,
            "logger_class": ServerLog,
            "proc_name": "rail",
            "post_worker_init": self._started,
            "worker_exit": self._close,
            "control_socket_disable": True,  # gunicorn 25.1 and later; nobody asked for a second way in
        }
        for name, value in choices.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        try:
            self.running = self.build()
        except Exception as error:
            report_error(as_command_error(error), self.as_json)
            sys.exit(Arbiter.APP_LOAD_ERROR)
        self.running.announce()
        sys.stdout.flush()
        return self.running.app

    def _started(self, worker: PatientWorker) -> None:
        """Called in the worker, which has loaded the application."""
        if self.running is not None:
            self.running.started(lambda: worker.nr_conns)

    def _close(self, server: object, worker: object) -> None:
        """Called in the worker as it leaves: what was submitted is written."""
        if self.running is not None:
            self.running.close()


def url_of(host: str, port: int) -> str:
    return f"http://{_bracketed(host)}:{port}"


def _announce(services: "Services", as_json: bool) -> None:
    settings = services.settings
    url = url_of(settings.host, settings.port)
    if as_json:
        facts = {"url": url, "log_vkey": services.log.vkey, "home": str(settings.home), "pid": os.getppid()}
        emit_json({"verdict": "serving", **facts, "model_root": services.engine.model.root.hex()})
        return
    verdict_line("serving", url, Exit.OK)
    fact("log key", services.log.vkey)
    fact("home", settings.home)
    fact("model", f"{services.engine.model.config.name} ({services.engine.model.root.hex()[:16]}…)")
    fact("stop", "Ctrl-C")


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
