"""Values that several ledger tests share: fixed keys, one statement of each type, a small log held in memory."""

from collections.abc import Sequence
from dataclasses import replace

from ledger import checkpoint
from ledger.checkpoint import Checkpoint
from ledger.commitment import commit, output_content, prompt_content
from ledger.keys import COSIGNATURE_V1, SigningKey
from ledger.merkle import Frontier, leaf_hash, prove_inclusion
from ledger.proof import TlogProof
from ledger.receipt import Opening, OperatorEvidence, Receipt, SaltedContent
from ledger.statement import (
    ErasureStatement,
    GenerationStatement,
    ModelStatement,
    OperatorStatement,
    Payload,
    ReplayStatement,
    Sampling,
    sign_statement,
)
from ledger.stored_hashes import stored_hash_count

ORIGIN = "rail.example/log1"
LOG_KEY = SigningKey.from_seed(ORIGIN, bytes(range(32)))
WITNESS_KEY = SigningKey.from_seed("w1.example/witness", bytes(range(32, 64)), COSIGNATURE_V1)
OPERATOR_KEY = SigningKey.from_seed("operator.example/key1", bytes(range(64, 96)))
OTHER_KEY = SigningKey.from_seed("other.example/key1", bytes(range(96, 128)))

TIME = 1_800_000_000  # 2027-01-15T08:00:00Z
MODEL_ROOT = bytes(range(32))
PROMPT_SALT = b"p" * 32
OUTPUT_SALT = b"o" * 32
PROMPT_CONTENT = prompt_content([1, 9038, 2501], ["\n\n"])
STEERED_CONTENT = prompt_content([1, 9038, 2501], ["\n\n"], ((13, -100_000_000), (700, 1_500_000)))
OUTPUT_CONTENT = output_content([263, 931, 2], "Once upon a time \u2014 中文".encode())


class MemoryHashes:
    """Stored hashes of a growing tree, in a list; counts the calls that read them."""

    def __init__(self) -> None:
        self.hashes: list[bytes] = []
        self.frontier = Frontier()
        self.calls = 0

    def append(self, entry: bytes) -> None:
        assert len(self.hashes) == stored_hash_count(self.frontier.size)
        self.hashes += self.frontier.append(leaf_hash(entry))

    def read_hashes(self, indexes: Sequence[int]) -> list[bytes]:
        self.calls += 1
        return [self.hashes[index] for index in indexes]


def operator_statement(key: SigningKey = OPERATOR_KEY, valid_to: int | None = None) -> OperatorStatement:
    return OperatorStatement(
        time=TIME,
        counter=0,
        name="Example Operator",
        contact="https://operator.example",
        public=key.public,
        valid_from=TIME,
        valid_to=valid_to,
        action="register",
    )


def model_statement() -> ModelStatement:
    return ModelStatement(
        time=TIME + 1,
        counter=1,
        model_root=MODEL_ROOT,
        name="stories 260K",
        family="llama",
        parameters=260_032,
        engine="rail-int/1",
        sources={"stories260K.bin": b"\x01" * 32, "tok512.model": b"\x02" * 32},
        licence="MIT",
    )


def generation_statement() -> GenerationStatement:
    return GenerationStatement(
        time=TIME + 2,
        counter=2,
        model_root=MODEL_ROOT,
        engine="rail-int/1",
        prompt_commitment=commit("prompt", PROMPT_SALT, PROMPT_CONTENT),
        output_commitment=commit("output", OUTPUT_SALT, OUTPUT_CONTENT),
        prompt_tokens=3,
        output_tokens=3,
        sampling=Sampling(temperature_micro=800_000, top_k=40, top_p_micro=950_000, seed=42, max_tokens=128),
        finish="stop",
        echo_permille=0,
        fingerprint_root=b"\x03" * 32,
        assurance="replayable",
    )


def steered_statement() -> GenerationStatement:
    """The generation again, with every parameter that may be left out."""
    plain = generation_statement()
    sampling = replace(
        plain.sampling,
        min_p_micro=50_000,
        repetition_micro=1_100_000,
        frequency_micro=-250_000,
        presence_micro=500_000,
        logit_biases=2,
    )
    return replace(
        plain, prompt_commitment=commit("prompt", PROMPT_SALT, STEERED_CONTENT), sampling=sampling, counter=5
    )


def replay_statement() -> ReplayStatement:
    return ReplayStatement(
        time=TIME + 3,
        counter=3,
        entry_index=2,
        entry_leaf_hash=leaf_hash(sign_statement(generation_statement(), OPERATOR_KEY)),
        verdict="match",
        first_difference=None,
        reason=None,
        engine="rail-int/1",
    )


def erasure_statement() -> ErasureStatement:
    return ErasureStatement(
        time=TIME + 4,
        counter=4,
        entry_index=2,
        entry_leaf_hash=leaf_hash(sign_statement(generation_statement(), OPERATOR_KEY)),
        reason="operator/request",
    )


def payloads() -> list[Payload]:
    """One statement of each type, in an order in which a log could hold them."""
    return [operator_statement(), model_statement(), generation_statement(), replay_statement(), erasure_statement()]


def entries() -> list[bytes]:
    return [sign_statement(payload, OPERATOR_KEY) for payload in payloads()]


def opening() -> Opening:
    return Opening(SaltedContent(PROMPT_SALT, PROMPT_CONTENT), SaltedContent(OUTPUT_SALT, OUTPUT_CONTENT))


def tree_of(items: Sequence[bytes]) -> MemoryHashes:
    tree = MemoryHashes()
    for item in items:
        tree.append(item)
    return tree


def head_of(tree: MemoryHashes) -> Checkpoint:
    return Checkpoint(ORIGIN, tree.frontier.size, tree.frontier.root())


def receipt_of(
    items: Sequence[bytes], index: int, operator_index: int = 0, shown: Opening | None = None, witnessed: bool = False
) -> Receipt:
    """The receipt of entry `index` of a log that holds `items`."""
    tree = tree_of(items)
    size = tree.frontier.size
    note = checkpoint.sign(head_of(tree), [LOG_KEY])
    if witnessed:
        note = checkpoint.cosign(note, WITNESS_KEY, TIME + 60)
    return Receipt(
        statement=items[index],
        proof=TlogProof(index, tuple(prove_inclusion(index, size, tree)), note),
        log_vkey=LOG_KEY.vkey,
        operator=OperatorEvidence(
            items[operator_index], operator_index, tuple(prove_inclusion(operator_index, size, tree))
        ),
        opening=shown,
    )
