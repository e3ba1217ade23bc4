"""One application over the tiny model for all web tests: in process, and behind a real server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from tests.inference.tiny_model import write_tiny
from web import create_app
from web.services import Services, build_services
from web.settings import Settings

ORIGIN = "rail.test/log"


def settings_in(home: Path, model: Path, **changes: object) -> Settings:
    """Settings of a service whose everything is under `home`."""
    values: dict[str, object] = {"origin": ORIGIN, "operator_name": "tester", "threads": 1, "max_text_bytes": 100_000}
    return Settings(home=home, database=f"sqlite:///{home / 'rail.db'}", model=model, **(values | changes))


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.rail"
    write_tiny(path)
    return path


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Digests of verified model files do not go into the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory, tiny_model_path: Path, own_cache: None) -> Iterator[Services]:
    built = build_services(settings_in(tmp_path_factory.mktemp("home") / "rail", tiny_model_path))
    yield built
    built.close()


@pytest.fixture(scope="session")
def app(services: Services) -> APIFlask:
    return create_app(services)


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def live_url(app: APIFlask) -> Iterator[str]:
    """The same application behind a real server."""
    with served(app) as url:
        yield url


@contextmanager
def served(app: APIFlask) -> Iterator[str]:
    """The address of a real server for `app`, on a free port, in a thread."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
