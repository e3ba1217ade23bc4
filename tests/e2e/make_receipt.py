"""Writes js/receipt.json, the frozen receipt that the browser modules are tested with: keys and salts are constants."""

import sys
from pathlib import Path

from ledger.content import Content
from ledger.keys import SigningKey
from ledger.log import Log
from ledger.statement import GenerationStatement, ModelStatement, OperatorStatement, Sampling, sign_statement

TIME = 1_700_000_000
LEAF_COUNT = 7
MODEL = ModelStatement(
    time=TIME,
    counter=1,
    model_root=bytes(32),
    name="example",
    family="llama",
    parameters=1,
    engine="rail-int/1",
    sources={},
    licence="none",
)


def main(home: Path) -> None:
    key = SigningKey.from_seed("rail.example/log1", bytes(range(32)))
    operator = SigningKey.from_seed("rail.example/log1/operator", bytes(range(32, 64)))
    log = Log.create(f"sqlite:///{home / 'log.db'}", key.name, key)
    log.submit(sign_statement(registration(operator), operator))
    log.submit(sign_statement(MODEL, operator))
    for counter in range(2, LEAF_COUNT):
        content = content_of(counter)
        log.submit(sign_statement(generation(content, counter), operator), content)
    text = log.receipt(5, opening=True).to_json()
    (Path(__file__).parent / "js" / "receipt.json").write_text(text, encoding="utf-8")
    log.close()


def registration(operator: SigningKey) -> OperatorStatement:
    return OperatorStatement(
        time=TIME,
        counter=0,
        name="Example operator",
        contact="mail@operator.example",
        public=operator.public,
        valid_from=TIME,
        valid_to=None,
        action="register",
    )


def content_of(counter: int) -> Content:
    text = f"Story {counter}: the fox and 水."
    return Content("Tell", (1, 2), bytes(32), text.encode(), (3, 4, 5), bytes([counter]) * 32, (), "public")


def generation(content: Content, counter: int) -> GenerationStatement:
    return GenerationStatement(
        time=TIME + counter,
        counter=counter,
        model_root=bytes(32),
        engine="rail-int/1",
        prompt_commitment=content.prompt_commitment(),
        output_commitment=content.output_commitment(),
        prompt_tokens=2,
        output_tokens=3,
        sampling=Sampling(temperature_micro=800_000, top_k=0, top_p_micro=950_000, seed=2**63 - 1, max_tokens=16),
        finish="stop",
        echo_permille=0,
        fingerprint_root=bytes(32),
        assurance="replayable",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
