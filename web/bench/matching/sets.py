"""Reads a folder of evaluation sets: what is registered, which edits of it there are, and what must not match.

A folder holds `.jsonl` or `.jsonl.gz` files at any depth, one JSON object a line. Fields have their role by name:

    id                      names the row; halves are drawn by it
    prompt, instruction     the prompt of the row's outputs
    original                a registered output; every other text of its row is an edit of it, named by its field
    regen_*                 beside `original`: the same model run again on the same task, N4
    outputs {model: text}   answers to the prompt; one model in four is registered, the others are N3
    other texts             of a row with a prompt: outputs of the model that names the field, registered, but for the
                            last model of a file without edits, which is N3
    dipper_X                an edit of the output of model X; where `dipper_ok` is false, `dipper` is left out
    *_attack_*              the same model run again, N4
    human                   written by a person: N2 in a row with a prompt, else N1, or N5 as follows
    human_*                 machine-edited human text: of every second such row it is registered, with the human text as
                            its prompt, and `human` is N5; in the other rows it is not used. `human_dipper` never is:
                            in DetectRL it belongs to another row's text

Numbers, booleans, `llm`, `kind`, `dataset` and scores are ignored. Texts under 8 words are left out, and so are
negatives that are word for word a registered output, such as refusals: of them, the record is the right answer.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

LINE_BYTES_MAX: Final = 16_000_000
ROWS_MAX: Final = 1_000_000
WORDS_MIN: Final = 8
REGISTERED_SHARE: Final = 4  # of the models of `outputs`: one in four
NEGATIVES: Final = ("N1", "N2", "N3", "N4", "N5")
_NO_TEXT: Final = frozenset({"id", "llm", "kind", "dataset", "block", "prompt", "instruction", "human", "original"})


class BadSetError(Exception):
    """The folder cannot be read as evaluation sets."""


@dataclass(frozen=True, slots=True)
class Registered:
    """An output that goes into the index."""

    output_text: str
    prompt_text: str
    visibility: str = "public"


@dataclass(frozen=True, slots=True)
class Query:
    """A text to look up."""

    text: str
    row: str  # decides the half
    target: int | None  # the record that it is an edit of; None: a negative

    @property
    def fitted(self) -> bool:
        """Whether thresholds are fitted on it; the other half is reported."""
        return _is_fitted(self.row)


@dataclass(slots=True)
class Sets:
    """Everything that one folder holds."""

    records: list[Registered] = field(default_factory=list)
    edits: dict[str, list[Query]] = field(default_factory=dict)  # by edit
    negatives: dict[str, list[Query]] = field(default_factory=lambda: {name: [] for name in NEGATIVES})
    registered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NEGATIVES, 0))  # left out as registered

    def register(self, text: str, prompt: str) -> int | None:
        """The record's number; None for a text too short to be found."""
        if len(text.split()) < WORDS_MIN:
            return None
        self.records.append(Registered(text, prompt))
        return len(self.records) - 1

    def add(self, edit: str, text: str, row: str, target: int | None) -> None:
        if target is not None and len(text.split()) >= WORDS_MIN:
            self.edits.setdefault(edit, []).append(Query(text, row, target))

    def leave_out_registered(self) -> None:
        """Drops the negatives that are a registered output."""
        known = {_words(record.output_text) for record in self.records}
        for name, queries in self.negatives.items():
            self.negatives[name] = [query for query in queries if _words(query.text) not in known]
            self.registered[name] = len(queries) - len(self.negatives[name])

    def reject(self, name: str, text: str, row: str) -> None:
        if len(text.split()) >= WORDS_MIN:
            self.negatives[name].append(Query(text, row, None))


def read_sets(folder: Path, fitted_only: bool = False) -> Sets:
    """All files of a folder, or of their rows the fitted half only. Raises BadSetError, naming file and line."""
    files = sorted(path for path in folder.rglob("*") if path.name.endswith((".jsonl", ".jsonl.gz")))
    if not files:
        raise BadSetError(f"no .jsonl or .jsonl.gz file in {folder}")
    sets = Sets()
    for path in files:
        name = f"{path.parent.name}/{path.name.split('.')[0]}"
        rows = [(number, f"{name}/{row.get('id', number)}", row) for number, row in enumerate(_rows(path))]
        _read_file(sets, [row for row in rows if _is_fitted(row[1]) or not fitted_only])
    sets.leave_out_registered()
    if not sets.records:
        raise BadSetError(f"the files in {folder} have no `original`, `outputs` or `prompt` with outputs")
    return sets


def _is_fitted(row: str) -> bool:
    return sha256(row.encode()).digest()[0] % 2 == 0


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            while line := lines.readline(LINE_BYTES_MAX):
                number += 1
                row = json.loads(line)
                if not isinstance(row, dict) or number > ROWS_MAX:
                    raise BadSetError(f"{path}:{number}: not an object, or more than {ROWS_MAX:,} of them")
                yield row
    except (OSError, ValueError, EOFError) as error:
        raise BadSetError(f"{path}:{number + 1}: {error}") from error


def _read_file(sets: Sets, rows: list[tuple[int, str, dict[str, Any]]]) -> None:
    """Rows with their number in the file and their name."""
    edited = any(key.startswith("dipper_") for _, _, row in rows for key in row if key != "dipper_ok")
    for number, row_id, row in rows:
        prompt = str(row.get("prompt") or row.get("instruction") or "")
        texts = {key: value for key, value in row.items() if isinstance(value, str) and key not in _NO_TEXT}
        if "original" in row:
            _read_pairs(sets, row_id, str(row["original"]), prompt, texts, bool(row.get("dipper_ok", True)))
        elif isinstance(row.get("outputs"), dict):
            _read_outputs(sets, row_id, prompt, row["outputs"])
        elif prompt:
            _read_generations(sets, row_id, prompt, texts, edited)
        if "human" in row:
            _read_human(sets, row_id, number, prompt, str(row["human"]), texts)


def _read_pairs(sets: Sets, row: str, original: str, prompt: str, texts: dict[str, str], dipper_ok: bool) -> None:
    target = sets.register(original, prompt)
    sets.add("none", original, row, target)
    for key, text in texts.items():
        if key.startswith("regen"):
            sets.reject("N4", text, row)
        elif dipper_ok or not key.startswith("dipper"):
            sets.add(key, text, row, target)


def _read_outputs(sets: Sets, row: str, prompt: str, outputs: dict[str, Any]) -> None:
    for model in sorted(outputs, key=lambda model: sha256(model.encode()).digest()):
        text = outputs[model]
        if not isinstance(text, str):
            continue
        if sha256(model.encode()).digest()[0] % REGISTERED_SHARE == 0:
            sets.add("none", text, row, sets.register(text, prompt))
        else:
            sets.reject("N3", text, row)


def _read_generations(sets: Sets, row: str, prompt: str, texts: dict[str, str], edited: bool) -> None:
    models = sorted(key for key in texts if not key.startswith(("dipper_", "human_")) and "_attack_" not in key)
    left_out = None if edited or len(models) < 2 else models[-1]
    targets = {model: sets.register(texts[model], prompt) for model in models if model != left_out}
    for key, text in texts.items():
        if key in targets:
            sets.add("none", text, row, targets[key])
        elif key == left_out:
            sets.reject("N3", text, row)
        elif "_attack_" in key:
            sets.reject("N4", text, row)
        elif key.startswith("dipper_"):
            sets.add("dipper_essays", text, row, targets.get(key.removeprefix("dipper_")))


def _read_human(sets: Sets, row: str, number: int, prompt: str, human: str, texts: dict[str, str]) -> None:
    machine = [text for key, text in sorted(texts.items()) if key.startswith("human_") and "dipper" not in key]
    if machine and number % 2:
        for text in machine:
            sets.register(text, human)
        sets.reject("N5", human, row)
    else:
        sets.reject("N2" if prompt else "N1", human, row)
