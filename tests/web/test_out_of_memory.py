"""A request that memory does not suffice for is refused, leaves no record, and hurts no other."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.inference.small_vocabulary import sentencepiece_vocabulary
from tests.inference.tiny_model import CONFIG, PROVENANCE, tiny_model, write_model
from tests.web.conftest import settings_in
from web import create_app
from web.services import build_services

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = resource.getpagesize()
SPARE_BYTES = 24 << 20  # for everything but the cache of keys and values, which would be 100 MiB


@contextmanager
def little_memory() -> Iterator[None]:
    """This process may grow by SPARE_BYTES and no further."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * PAGE
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_no_memory_for_the_context_is_a_clear_refusal(tmp_path: Path) -> None:
    """In a process of its own: what other tests have freed would be memory enough."""
    command = [sys.executable, "-m", "tests.web.test_out_of_memory", str(tmp_path)]
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def refuse_then_serve(tmp_path: Path) -> None:
    long = replace(tiny_model(), config=replace(CONFIG, context_tokens=1 << 20))
    write_model(tmp_path / "long.rail", long, sentencepiece_vocabulary(), None, PROVENANCE)
    services = build_services(settings_in(tmp_path / "home", tmp_path / "long.rail"))
    client = create_app(services).test_client()
    body = {"model": "tiny", "prompt": "the", "max_tokens": 4}
    size = services.log.size()
    with little_memory():
        for stream in (False, True):
            answer = client.post("/v1/completions", json={**body, "max_tokens": 1_000_000, "stream": stream})
            assert "not enough memory for a context of" in answer.text
            assert stream or answer.status_code == 503
        assert services.log.size() == size
        assert client.post("/v1/completions", json=body).status_code == 200
    assert services.log.size() == size + 1
    services.close()


if __name__ == "__main__":
    refuse_then_serve(Path(sys.argv[1]))
