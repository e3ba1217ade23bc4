"""Somebody who has the whole log and a list of likely texts cannot tell which of them was erased: by trying.

With the salt the same attempt succeeds at once, so it is the salt alone that protects a text of one word. What a
statement keeps saying after an erasure are numbers: how many tokens, which seed, how much of the prompt was repeated.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path
from secrets import token_bytes

from log_samples import Run

from ledger.backup import backup, erase_in_backup
from ledger.commitment import commit, output_content
from ledger.content import Content
from ledger.index import fingerprint_root
from ledger.log import Entry, Log
from ledger.statement import GenerationStatement, open_statement

LIKELY = ("yes", "no", "maybe", "positive", "negative", "guilty", "42", "Alice", "Bob", "")
SECRET = "positive"
IDS = (3, 7)


def answer(text: str) -> bytes:
    return output_content(IDS, text.encode())


def salts_without_the_content(log: Log, entry: Entry) -> Iterator[bytes]:
    """Everything of 32 bytes that the log shows, digests of what it shows, and the lazy choices of a bad program."""
    payload = open_statement(entry.statement).payload
    assert isinstance(payload, GenerationStatement)
    shown = [
        entry.leaf_hash, payload.prompt_commitment, payload.output_commitment, payload.fingerprint_root,
        payload.model_root, log.root(), entry.operator, entry.statement[-64:-32], entry.statement[-32:],
    ]  # fmt: skip
    numbers = [entry.index, entry.time, entry.logged, payload.counter, payload.sampling.seed, *range(200)]
    yield from shown
    yield from (sha256(item).digest() for item in shown)
    yield from (sha256(b"%d" % number).digest() for number in numbers)
    yield from (number.to_bytes(32, order) for number in numbers for order in ("big", "little"))
    yield from (bytes([byte]) * 32 for byte in range(256))


def confirmed(log: Log, entry: Entry, salts: Iterator[bytes]) -> set[str]:
    """The likely texts that some salt proves to be the output."""
    payload = open_statement(entry.statement).payload
    assert isinstance(payload, GenerationStatement)
    return {
        text
        for text, salt in product(LIKELY, list(salts))
        if commit("output", salt, answer(text)) == payload.output_commitment
        # Texts too short for a fingerprint all have the same root, which tells nothing.
        or fingerprint_root(text, salt) == payload.fingerprint_root != fingerprint_root("", salt)
    }


def test_an_erased_short_text_cannot_be_confirmed(log: Log, run: Run, database_url: str, tmp_path: Path) -> None:
    salt = token_bytes(32)
    content = run.content(
        1, output_bytes=SECRET.encode(), output_ids=IDS, output_salt=salt, prompt_salt=token_bytes(32)
    )
    assert isinstance(content, Content)
    root = fingerprint_root(SECRET, salt)
    statement = run.sign(run.generation(content, fingerprint_root=root, output_tokens=len(IDS)))
    entry = log.submit(statement, content)
    receipt = log.receipt(entry.index, opening=False)
    assert confirmed(log, entry, iter([log.content(entry.index).output_salt])) == {SECRET}  # the attempt itself works
    saved = tmp_path / "backup.db"
    backup(database_url, saved)
    log.erase(entry.index, "requested", run.key)
    erase_in_backup(saved, entry.index, log.vkey)

    assert confirmed(log, entry, salts_without_the_content(log, entry)) == set()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]  # of SQLite: database, log files, backup
    assert saved in files
    for path in files:
        data = path.read_bytes()
        assert salt not in data and content.prompt_salt not in data and SECRET.encode() not in data, path
    assert log.content(entry.index) is None
    assert log.receipt(entry.index, opening=True).opening is None
    assert receipt.to_json()  # and what was proved before is still proved, without the text
    assert log.fsck().ok


def test_opening_one_field_opens_no_other(log: Log, run: Run) -> None:
    entry = log.submit(*run.one())
    content = log.content(entry.index)
    payload = open_statement(entry.statement).payload
    assert content.prompt_salt != content.output_salt
    assert commit("output", content.output_salt, answer("x")) != payload.prompt_commitment
    prompt = log.receipt(entry.index, opening=True).opening.prompt
    assert commit("prompt", content.output_salt, prompt.content) != payload.prompt_commitment  # the other's salt
    assert commit("output", content.prompt_salt, prompt.content) != payload.prompt_commitment  # the other's tag
    assert commit("prompt", content.prompt_salt, prompt.content) == payload.prompt_commitment
