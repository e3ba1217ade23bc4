"""A real service on a free port and a real Chromium that talks to it."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from werkzeug.serving import make_server

from inference.models import default_model_path
from tests.inference.tiny_model import write_tiny
from web import create_app
from web.services import Services, build_services
from web.settings import Settings

ARTIFACTS = Path(__file__).resolve().parents[2] / "artifacts" / "pages"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = ViewportSize(width=1180, height=860)
PHONE = ViewportSize(width=390, height=844)
# Reported beside what the browser itself says: a blocked resource is an error even where nothing breaks.
WATCH_POLICY = "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"


@dataclass(frozen=True, slots=True)
class Site:
    """The running service."""

    url: str
    services: Services


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service over the shipped model where there is one, else over the tests' tiny model."""
    home = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        model = default_model_path()
        if not model.is_file():
            model = home / "tiny.rail"
            write_tiny(model)
        services = build_services(Settings(home=home, database=f"sqlite:///{home / 'rail.db'}", model=model, threads=1))
        server = make_server("127.0.0.1", 0, create_app(services), threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Site(f"http://127.0.0.1:{server.server_port}", services)
        server.shutdown()
        thread.join()
        server.server_close()
        services.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("RAIL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "no chromium on this machine (Debian: apt install chromium; or set RAIL_CHROMIUM)"
        if os.environ.get("RAIL_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Opens pages of the site; afterwards fails on anything that any of them put on its console."""
    contexts = []
    complaints: list[str] = []

    def opened(path: str, viewport: ViewportSize = DESKTOP, dark: bool = False, script: str = "") -> Page:
        context = browser.new_context(
            base_url=site.url, viewport=viewport, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        context.add_init_script(f"{WATCH_POLICY}; {script}")
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def keep_screenshot(page: Page, name: str) -> None:
    """A full-page picture in artifacts/pages, for people to look at."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
