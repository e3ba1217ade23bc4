"""Statements with content for the tests of a real log, in an order in which the log admits them."""

import time
from contextlib import closing
from hashlib import sha256

from ledger.content import Content
from ledger.keys import SigningKey
from ledger.log import Entry, Log
from ledger.statement import (
    GenerationStatement,
    ModelStatement,
    OperatorStatement,
    ReplayStatement,
    Sampling,
    sign_statement,
)

ORIGIN = "rail.example/log1"
LOG_KEY = SigningKey.from_seed(ORIGIN, bytes(range(32)))
MODEL_ROOT = sha256(b"model").digest()

Item = tuple[bytes, Content | None]


class Run:
    """An operator with its own counter. Two with the same `name` make the same statements, byte for byte."""

    def __init__(self, name: str = "operator.example", now: int | None = None) -> None:
        self.key = SigningKey.from_seed(name, sha256(name.encode()).digest())
        self.time = now if now is not None else int(time.time()) - 60
        self.counter = 0

    @property
    def id(self) -> bytes:
        return sha256(self.key.public).digest()

    def _common(self) -> dict[str, int]:
        self.counter += 1
        return {"time": self.time, "counter": self.counter - 1}

    def operator(self, **changes: object) -> OperatorStatement:
        fields = {
            "name": self.key.name,
            "contact": "mailto:someone@example.org",
            "public": self.key.public,
            "valid_from": self.time,
            "valid_to": None,
            "action": "register",
        }
        return OperatorStatement(**self._common(), **(fields | changes))

    def model(self, **changes: object) -> ModelStatement:
        fields = {
            "model_root": MODEL_ROOT,
            "name": "tiny",
            "family": "llama",
            "parameters": 1000,
            "engine": "rail-int/1",
            "sources": {},
            "licence": "Apache-2.0",
        }
        return ModelStatement(**self._common(), **(fields | changes))

    def content(self, number: int, visibility: str = "public", **changes: object) -> Content:
        """Content that is a function of `number`."""
        fields = {
            "prompt_text": f"Tell story {number}.",
            "prompt_ids": (1, number, 7),
            "prompt_salt": sha256(b"prompt %d" % number).digest(),
            "output_bytes": f"Once upon a time there were {number} cats. 从前".encode(),
            "output_ids": (3, number, 2),
            "output_salt": sha256(b"output %d" % number).digest(),
            "stop": ("\n\n",),
            "visibility": visibility,
        }
        return Content(**(fields | changes))

    def generation(self, content: Content, **changes: object) -> GenerationStatement:
        fields = {
            "model_root": MODEL_ROOT,
            "engine": "rail-int/1",
            "prompt_commitment": content.prompt_commitment(),
            "output_commitment": content.output_commitment(),
            "prompt_tokens": len(content.prompt_ids),
            "output_tokens": len(content.output_ids),
            "sampling": Sampling(temperature_micro=0, top_k=0, top_p_micro=1_000_000, seed=7, max_tokens=16),
            "finish": "stop",
            "echo_permille": 0,
            "fingerprint_root": bytes(32),
            "assurance": "replayable",
        }
        return GenerationStatement(**self._common(), **(fields | changes))

    def replay(self, entry: Entry, **changes: object) -> ReplayStatement:
        fields = {
            "entry_index": entry.index,
            "entry_leaf_hash": entry.leaf_hash,
            "verdict": "match",
            "first_difference": None,
            "reason": None,
            "engine": "rail-int/1",
        }
        return ReplayStatement(**self._common(), **(fields | changes))

    def sign(self, payload: object) -> bytes:
        return sign_statement(payload, self.key)

    def registrations(self) -> list[Item]:
        """The operator and its model."""
        return [(self.sign(self.operator()), None), (self.sign(self.model()), None)]

    def generations(self, count: int, visibility: str = "public") -> list[Item]:
        """`count` more generations with content."""
        items: list[Item] = []
        for _ in range(count):
            content = self.content(self.counter, visibility)
            items.append((self.sign(self.generation(content)), content))
        return items

    def one(self, visibility: str = "public") -> Item:
        return self.generations(1, visibility)[0]


def tamper(log: Log, *changes: str) -> None:
    """What somebody with full rights over the database can do: changes past triggers and foreign keys."""
    with closing(log.engine.raw_connection()) as pooled:
        connection = pooled.driver_connection
        if log.engine.dialect.name == "postgresql":
            connection.execute("SET session_replication_role = replica")
        else:
            connection.execute("PRAGMA foreign_keys = OFF")
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {name}")
        for change in changes:
            assert connection.execute(change).rowcount != 0, change
        connection.commit()
        pooled.invalidate()  # not to be used again
