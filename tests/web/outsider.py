"""An operator who runs no service: signs statements with a key of its own and submits them over HTTP."""

import time
from base64 import b64encode
from secrets import token_bytes
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ledger.content import Content
from ledger.index import echo_permille, fingerprint_root
from ledger.keys import SigningKey, operator_id
from ledger.statement import (
    ErasureStatement,
    GenerationStatement,
    OperatorStatement,
    Payload,
    ReplayStatement,
    Sampling,
    sign_statement,
)
from web.services import Services


def content_with(
    services: Services, text: str = "and the other one", prompt: str = "the", visibility: str = "public"
) -> Content:
    """The content of a run that never happened, with fresh salts."""
    return Content(
        prompt_text=prompt,
        prompt_ids=tuple(services.engine.encode_prompt(prompt)),
        prompt_salt=token_bytes(32),
        output_bytes=text.encode(),
        output_ids=tuple(services.engine.tokenizer.encode(text, bos=False)),
        output_salt=token_bytes(32),
        stop=(),
        visibility=visibility,
    )


def encode_content(content: Content) -> dict[str, object]:
    """The JSON in which content travels beside its statement."""
    return {
        "prompt_text": content.prompt_text,
        "prompt_ids": list(content.prompt_ids),
        "prompt_salt": b64encode(content.prompt_salt).decode("ascii"),
        "output_bytes": b64encode(content.output_bytes).decode("ascii"),
        "output_ids": list(content.output_ids),
        "output_salt": b64encode(content.output_salt).decode("ascii"),
        "stop": list(content.stop),
        "visibility": content.visibility,
        "logit_bias": {str(id): bias for id, bias in content.logit_bias},
    }


class Outsider:
    """Registers itself at once; each statement takes the next counter."""

    def __init__(self, client: FlaskClient, name: str = "outsider") -> None:
        self.client = client
        self.key = SigningKey.generate("outsider.test")
        self.identifier = operator_id(self.key.public)
        self.counter = 0
        now = int(time.time())
        self.registration = self.post(
            self.sign(
                OperatorStatement,
                name=name,
                contact="mail@outsider.test",
                public=self.key.public,
                valid_from=now - 60,
                valid_to=None,
                action="register",
            )
        )

    def sign(self, kind: type[Payload], **fields: Any) -> bytes:
        payload = kind(**{"time": int(time.time()), "counter": self.counter, **fields})
        self.counter += 1
        return sign_statement(payload, self.key)

    def generation(self, content: Content, model_root: bytes, **changes: Any) -> bytes:
        """A generation that this content opens; never run on any engine."""
        fields: dict[str, Any] = {
            "model_root": model_root,
            "engine": "rail-int/2",
            "prompt_commitment": content.prompt_commitment(),
            "output_commitment": content.output_commitment(),
            "prompt_tokens": len(content.prompt_ids),
            "output_tokens": len(content.output_ids),
            "sampling": Sampling(temperature_micro=0, top_k=0, top_p_micro=1_000_000, seed=0, max_tokens=1024),
            "finish": "length",
            "echo_permille": echo_permille(content.prompt_text, content.output_text),
            "fingerprint_root": fingerprint_root(content.output_text, content.output_salt),
            "assurance": "replayable",
        }
        return self.sign(GenerationStatement, **(fields | changes))

    def replay(self, index: int, leaf: bytes, verdict: str = "match", reason: str | None = None) -> bytes:
        return self.sign(
            ReplayStatement,
            entry_index=index,
            entry_leaf_hash=leaf,
            verdict=verdict,
            first_difference=None,
            reason=reason,
            engine="rail-int/2",
        )

    def erasure(self, index: int, leaf: bytes) -> bytes:
        return self.sign(ErasureStatement, entry_index=index, entry_leaf_hash=leaf, reason="requested")

    def post(self, statement: bytes, content: Content | None = None) -> TestResponse:
        body: dict[str, Any] = {"statement": b64encode(statement).decode()}
        if content is not None:
            body["content"] = encode_content(content)
        return self.client.post("/api/records", json=body)


def log_text(services: Services, client: FlaskClient, text: str) -> int:
    """A public run of an operator of its own that put out this text; returns the record's id."""
    outsider = Outsider(client)
    content = content_with(services, text)
    response = outsider.post(outsider.generation(content, services.engine.model.root), content)
    record: int = response.get_json()["record_id"]
    return record
