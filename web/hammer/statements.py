"""Statements for the hammer: generations of a registered model, by an operator of its own, that nobody ever ran."""

import time
from collections.abc import Callable
from os import urandom

from ledger.keys import SigningKey
from ledger.statement import GenerationStatement, Sampling, sign_statement

SAMPLING = Sampling(temperature_micro=0, top_k=0, top_p_micro=1_000_000, seed=0, max_tokens=1)


def sign_generations(
    key: SigningKey, model_root: bytes, engine: str, first_counter: int, count: int, advance: Callable[[int, int], None]
) -> list[bytes]:
    """`count` statements with random commitments, which no content opens; `attested`, so that nobody replays them."""
    now = int(time.time())
    statements = []
    for number in range(count):
        payload = GenerationStatement(
            time=now,
            counter=first_counter + number,
            model_root=model_root,
            engine=engine,
            prompt_commitment=urandom(32),
            output_commitment=urandom(32),
            prompt_tokens=1,
            output_tokens=1,
            sampling=SAMPLING,
            finish="length",
            echo_permille=0,
            fingerprint_root=bytes(32),
            assurance="attested",
        )
        statements.append(sign_statement(payload, key))
        if number % 100 == 99 or number + 1 == count:
            advance(number + 1, count)
    return statements
