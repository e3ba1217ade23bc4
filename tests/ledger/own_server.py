"""PostgreSQL servers of a test's own, where its programs are installed: to be stopped, copied and filled up."""

import os
import pwd
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
WAIT_SECONDS = 60

needs_programs = pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL's programs in /usr/lib/postgresql")


def as_server(program: str, *arguments: object) -> None:
    """One of PostgreSQL's programs, as a user that it accepts: it refuses to run as root."""
    assert PROGRAMS is not None
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    # To a file, not a pipe: the server that is started would keep the pipe open.
    with tempfile.TemporaryFile() as output:
        command = [str(PROGRAMS / program), *map(str, arguments)]
        done = subprocess.run(command, stdout=output, stderr=output, cwd="/", timeout=WAIT_SECONDS, **user)
        output.seek(0)
        assert done.returncode == 0, output.read().decode()


@dataclass
class Server:
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c shared_buffers=16MB"
        as_server("pg_ctl", "start", "-w", "-D", self.folder, "-l", self.folder / "log", "-o", options)

    def restart(self) -> None:
        """Once more, whether it is down or recovers from what brought it down."""
        if (self.folder / "postmaster.pid").exists():
            self.control("stop", "-m", "immediate")
        self.start()

    def control(self, action: str, *arguments: str) -> None:
        as_server("pg_ctl", action, "-w", "-D", self.folder, *arguments)

    def ask(self, query: str) -> object:
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(query)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


def give_to_server(folder: Path) -> None:
    """PostgreSQL's user owns it, if the tests run as root."""
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
