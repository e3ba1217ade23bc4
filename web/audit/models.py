"""Model files by root: fetched once, verified always, kept in the auditor's own folder."""

from collections.abc import Callable
from pathlib import Path

from inference.engine import Engine
from inference.errors import ModelFileError
from inference.modelfile import ModelFile
from web.audit.errors import LogBroken
from web.client import RailClient

MODEL_BYTES_MAX = 8 << 30

Advance = Callable[[int, int], None]


class ModelCache:
    """Engines for the models of one log. A wrong file is thrown away and never kept under the root it claimed."""

    def __init__(self, client: RailClient, folder: Path, threads: int | None, kernels: str | None) -> None:
        self._client = client
        self._folder = folder
        self._threads = threads
        self._kernels = kernels
        self._engines: dict[bytes, Engine] = {}

    def engine(self, root: bytes, advance: Advance) -> Engine:
        """An engine for exactly this model. Raises ClientError, or LogBroken (`model_root`) for another file."""
        if root not in self._engines:
            model = self._open(root, advance)
            self._engines[root] = Engine(model, threads=self._threads, kernels=self._kernels)
        return self._engines[root]

    def _open(self, root: bytes, advance: Advance) -> ModelFile:
        path = self._folder / f"{root.hex()}.rail"
        if path.exists():
            try:
                return ModelFile.open(path, expected_root=root)
            except ModelFileError:
                path.unlink()  # Damaged since it was verified: fetch it again.
        part = path.with_suffix(".part")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        resumed = part.exists()
        self._client.download(f"/models/{root.hex()}.rail", part, MODEL_BYTES_MAX, advance)
        try:
            ModelFile.open(part, expected_root=root).close()
        except ModelFileError as error:
            part.unlink(missing_ok=True)
            if resumed:  # The leftover of an earlier download may be at fault: once more, from nothing.
                return self._open(root, advance)
            raise LogBroken(
                "model_root",
                f"the service sent a file for model {root.hex()[:16]}… that is not that model ({error})",
                "the model cannot be checked from here; ask the operator for the right file",
            ) from error
        part.replace(path)
        return ModelFile.open(path, expected_root=root)

    def setting(self) -> tuple[str, int]:
        """Kernel set and threads of the engines; ("", 0) if none was needed."""
        return next(((engine.kernels, engine.threads) for engine in self._engines.values()), ("", 0))

    def close(self) -> None:
        for engine in self._engines.values():
            engine.model.close()
        self._engines.clear()
