"""The one place where the parts are built and joined: engine, log, index, keys and the services over them."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from inference.config import ENGINE
from inference.engine import Engine
from inference.layout import matrix_shapes
from inference.modelfile import ModelFile
from ledger.errors import LogConflict
from ledger.index import ContentIndex
from ledger.keys import ML_DSA_44, NoteSigner, SigningKey, operator_id
from ledger.log import Log
from ledger.statement import ModelStatement, OperatorStatement
from web.appender import Appender
from web.feeder import Feeder
from web.files import replace_file
from web.gate import Gate
from web.generation import GenerationService
from web.lock import FileLock
from web.log_key import made_mark, make_log_key
from web.policy_file import load_policy
from web.publication import Publication
from web.replay import ReplayService
from web.settings import Settings
from web.signer import Signer
from web.submitters import SubmittersFile


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a view or a command needs. Made by `build_services`; tests may make their own."""

    settings: Settings
    engine: Engine
    log: Log
    index: ContentIndex
    log_key: NoteSigner
    operator_key: SigningKey
    signer: Signer
    generation: GenerationService
    replay: ReplayService
    gate: Gate
    publication: Publication
    feeder: Feeder | None  # None: no witnesses. Started by whoever serves.

    @property
    def operator(self) -> bytes:
        """The operator's id, 32 bytes."""
        return operator_id(self.operator_key.public)

    def close(self) -> None:
        if self.feeder is not None:
            self.feeder.close()
        self.log.close()
        self.engine.model.close()


def build_services(settings: Settings) -> Services:
    """Open everything under `settings`, making what the first run needs.

    First run: the home folder (0700), both keys (0600), the log, the operator's registration. Every run: the
    model's registration if the log has none, and the index caught up with the log. Raises SettingsError,
    ModelFileError, KernelError or LedgerError; what was made before stays and the next run goes on from there. A model
    that cannot be loaded fails before anything is made.
    """
    with ExitStack() as opened:
        policy = load_policy(settings.policy) if settings.policy is not None else None
        model = ModelFile.open(settings.model)
        opened.callback(model.close)
        engine = Engine(model, threads=settings.threads, kernels=settings.kernels)
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(settings.home / "start.lock").hold():
            log_key = make_log_key(settings)
            operator_key = _key(settings.operator_key, lambda: SigningKey.generate(f"{log_key.name}/operator"))
            log = _log(settings, log_key)
            opened.callback(log.close)
            signer = Signer(Appender(log), operator_key, FileLock(settings.home / "operator.lock"))
            _register(settings, signer, model)
            index = ContentIndex(log.engine, settings.max_text_bytes)
            index.catch_up(log)
            publication = Publication(log, policy)
            cosigned = publication.cosigned
            services = Services(
                settings=settings,
                engine=engine,
                log=log,
                index=index,
                log_key=log_key,
                operator_key=operator_key,
                signer=signer,
                generation=GenerationService(engine, log, index, signer, settings.max_generations),
                replay=ReplayService(engine, log),
                gate=Gate(SubmittersFile(settings.submitters), log, signer.operator),
                publication=publication,
                feeder=Feeder(log, policy, cosigned) if policy is not None and cosigned is not None else None,
            )
        opened.pop_all()
    return services


def _key(path: Path, make: Callable[[], SigningKey]) -> SigningKey:
    if path.exists():
        return SigningKey.load(path)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    key = make()
    key.save(path)
    return key


def _log(settings: Settings, key: NoteSigner) -> Log:
    """Open the log, or make it if this home never had one. A log that is gone is an error, never a new log."""
    also = []
    if settings.log_ml_dsa:
        also.append(_key(settings.log_ml_dsa_key, lambda: SigningKey.generate(key.name, ML_DSA_44)))
    made = made_mark(settings.home)
    if made.exists():
        return Log.open(settings.database, key, also)
    try:
        log = Log.create(settings.database, key.name, key, also)
    except LogConflict as error:
        # A crash between creating the log and the mark below; open() refuses a log of another key.
        if error.code != "log_exists":
            raise
        log = Log.open(settings.database, key, also)
    replace_file(made, f"{key.name}\n".encode())
    return log


def _register(settings: Settings, signer: Signer, model: ModelFile) -> None:
    """Log the operator and the model if the log does not know them yet."""
    if signer.log.operator(signer.operator) is None:
        now = int(time.time())
        signer.submit(
            lambda counter: OperatorStatement(
                time=now,
                counter=counter,
                name=settings.operator_name,
                contact=settings.operator_contact,
                public=signer.key.public,
                valid_from=now,
                valid_to=None,
                action="register",
            )
        )
    if signer.log.model(model.root) is None:
        signer.submit(
            lambda counter: ModelStatement(
                time=int(time.time()),
                counter=counter,
                model_root=model.root,
                name=model.config.name,
                family=model.config.family,
                parameters=sum(rows * columns for rows, columns in matrix_shapes(model.config).values()),
                engine=ENGINE,
                sources=model.provenance["sources"],
                licence=str(model.provenance["options"].get("licence") or "not stated"),
            )
        )
