"""A real service behind a real socket, which can be told to lie about what it sends."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from inference.sampling import SamplingParams
from web import create_app
from web.services import Services, build_services
from web.settings import Settings

Lie = Callable[[bytes], bytes]


@dataclass(slots=True)
class LiveService:
    """Where it is, what it is made of, and which answers it falsifies."""

    url: str
    services: Services
    lies: dict[str, Lie] = field(default_factory=dict)  # path -> what becomes of the true body
    public: set[int] = field(default_factory=set)  # record ids of the runs whose text is public

    def generate(self, seed: int, visibility: str = "public") -> int:
        """Log one run; returns its record id."""
        params = SamplingParams(temperature_micro=1_000_000, seed=seed, max_tokens=24)
        if seed % 4 == 0:
            params = replace(
                params,
                min_p_micro=1_000,
                repetition_micro=1_100_000,
                frequency_micro=200_000,
                presence_micro=-100_000,
                logit_bias=((5, -1_000_000), (7, 1_500_000)),
            )
        index = self.services.generation.run("once upon a time", params, visibility).entry.index
        if visibility == "public":
            self.public.add(index)
        return index

    @contextmanager
    def lying(self, path: str, lie: Lie) -> Iterator[None]:
        """Falsify the answers of one path for a while."""
        self.lies[path] = lie
        try:
            yield
        finally:
            del self.lies[path]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any, **__: Any) -> None:
        """Requests are not news."""


@contextmanager
def live_service(home: Path, model: Path) -> Iterator[LiveService]:
    """A service in `home`, with four public runs, one matchable and one private."""
    settings = Settings(home=home, database=f"sqlite:///{home / 'rail.db'}", model=model, threads=1)
    services = build_services(settings)
    app = create_app(services)
    live = LiveService("", services)

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        lie = live.lies.get(environ["PATH_INFO"])
        if lie is None:
            return app(environ, start_response)
        body, status, headers = run_wsgi_app(app, environ, buffered=True)
        false = lie(b"".join(body))
        headers["Content-Length"] = str(len(false))
        start_response(status, list(headers))
        return [false]

    server = make_server("127.0.0.1", 0, serve, threaded=True, request_handler=_Quiet)
    live.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        for seed, visibility in enumerate(("public", "private", "public", "matchable", "public", "public")):
            live.generate(seed, visibility)
        yield live
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        services.close()
