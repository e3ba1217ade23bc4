"""A process that does one side's work when it is asked, so that two sides can take turns and share nothing."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Any


class WorkerError(Exception):
    """A side that cannot do its work. `missing` names a module that its Python lacks."""

    def __init__(self, message: str, missing: str | None = None) -> None:
        super().__init__(message)
        self.missing = missing


class Worker:
    """Use as a context manager."""

    def __init__(self, command: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (closed at the end)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
            )
        except OSError as error:
            raise WorkerError(f"{command[0]} cannot be run: {error.strerror}") from error

    def ask(self, work: str, **request: object) -> dict[str, Any]:
        """The answer. Raises WorkerError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"work": work, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            raise WorkerError(f"{work} ended with exit code {self._process.returncode}: {said[-1] if said else ''}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"], answer.get("missing"))
        return answer

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
