"""`rail generate`: streams, logs, writes the receipt; refuses what it cannot run."""

import json
import os
import signal
import stat
from base64 import b64decode
from pathlib import Path

import pytest

from ledger.statement import open_statement
from tests.cli.conftest import PROMPT, SAMPLING, Rail, Story
from web.cli.runs import interruptible


def test_json_names_everything_about_the_run(story: Story) -> None:
    answer = story.answer
    assert answer["verdict"] == "ok"
    assert answer["record_id"] == 2  # after the operator and the model
    assert answer["seed"] == 7
    assert 0 < len(answer["token_ids"]) <= 60
    assert len(bytes.fromhex(answer["leaf_hash"])) == len(bytes.fromhex(answer["model_root"])) == 32


def test_keys_and_receipt_are_for_the_owner_only(story: Story) -> None:
    files = [story.receipt, *(story.home / "keys").iterdir()]
    assert len(files) == 3
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(story.home.stat().st_mode) == 0o700


def test_stdout_is_the_text_and_nothing_else(rail: Rail, story: Story, tmp_path: Path) -> None:
    done = rail("generate", PROMPT, *SAMPLING, "--home", tmp_path / "h")
    assert done.code == 0
    assert done.out == story.text
    assert "logged" in done.err
    assert "receipt" in done.err


def test_without_a_seed_a_fresh_one_is_drawn_and_reproduces_the_text(here: Rail, tmp_path: Path) -> None:
    home = tmp_path / "h"
    first = here("generate", "the", "--max-tokens", "12", "--home", home, "--json").json
    again = here("generate", "the", "--max-tokens", "12", "--home", home, "--json", "--seed", str(first["seed"])).json
    assert again["token_ids"] == first["token_ids"]
    assert again["record_id"] == first["record_id"] + 1
    assert again["leaf_hash"] != first["leaf_hash"]  # another salt, another counter


def test_the_prompt_may_come_from_standard_input(here: Rail, tmp_path: Path) -> None:
    done = here("generate", "-", "--max-tokens", "4", "--home", tmp_path / "h", "--json", stdin="und 你好\n".encode())
    assert done.code == 0, done.err


def test_a_private_run_is_in_the_log_but_cannot_be_found_by_its_text(here: Rail, tmp_path: Path) -> None:
    home = tmp_path / "h"
    run = here("generate", PROMPT, *SAMPLING, "--visibility", "private", "--home", home, "--json").json
    assert here("verify", "-", "--home", home, "--json", stdin=run["text"].encode()).json["verdict"] == "none"
    assert here("verify", run["receipt"], "--home", home, "--json").code == 0


STEERED = (
    *("--min-p", "0.002", "--repetition-penalty", "1.25", "--frequency-penalty", "-0.5", "--presence-penalty", "0.75"),
    *("--logit-bias", "7=1.5", "--logit-bias", "3=-100", "--top-k", "300"),
)
STEERED_ENVIRONMENT = {
    "RAIL_MIN_P": "0.002",
    "RAIL_REPETITION_PENALTY": "1.25",
    "RAIL_FREQUENCY_PENALTY": "-0.5",
    "RAIL_PRESENCE_PENALTY": "0.75",
    "RAIL_LOGIT_BIAS": "7=1.5 3=-100",
    "RAIL_TOP_K": "300",
}


def test_penalties_and_biases_are_logged_and_replay(here: Rail, tmp_path: Path) -> None:
    home = tmp_path / "h"
    run = here("generate", PROMPT, *SAMPLING, *STEERED, "--home", home, "--json").json
    twin = here("generate", PROMPT, *SAMPLING, "--home", home, "--json", env=STEERED_ENVIRONMENT).json
    assert twin["token_ids"] == run["token_ids"]
    assert run["token_ids"] != here("generate", PROMPT, *SAMPLING, "--home", home, "--json").json["token_ids"]
    statement = json.loads(Path(run["receipt"]).read_text(encoding="utf-8"))["entry"]["statement"]
    sampling = open_statement(b64decode(statement)).payload.to_map()["sampling"]
    assert isinstance(sampling, dict)
    expected = {"min_p_micro": 2_000, "repetition_micro": 1_250_000, "frequency_micro": -500_000}
    expected |= {"presence_micro": 750_000, "logit_biases": 2, "top_k": 300}
    assert {name: sampling[name] for name in expected} == expected
    replayed = here("verify", run["receipt"], "--home", home, "--replay", "--json")
    assert (replayed.code, replayed.json["replay"]["verdict"]) == (0, "match")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--min-p", "-0.1"), "out_of_range"),
        (("--min-p", "2"), "out_of_range"),
        (("--repetition-penalty", "0"), "out_of_range"),
        (("--frequency-penalty", "2.5"), "out_of_range"),
        (("--presence-penalty", "x"), "not_decimal"),
        (("--logit-bias", "5"), "not_decimal"),
        (("--logit-bias", "5=101"), "out_of_range"),
        (("--logit-bias", "=1"), "not_an_id"),
        (("--logit-bias", "5=1", "--logit-bias", "5=2"), "repeated_id"),
        (("--logit-bias", "1000000=1"), "id_out_of_range"),
        (("--seed", "-1"), "out_of_range"),
        (("--seed", str(2**63)), "out_of_range"),
        (("--seed", "seven"), "usage"),
        (("--temperature", "nan"), "not_decimal"),
        (("--temperature", "inf"), "not_decimal"),
        (("--temperature", "-0.1"), "out_of_range"),
        (("--temperature", "101"), "out_of_range"),
        (("--top-p", "0"), "out_of_range"),
        (("--top-p", "1.5"), "out_of_range"),
        (("--top-k", "-3"), "out_of_range"),
        (("--max-tokens", "0"), "out_of_range"),
        (("--visibility", "secret"), "usage"),
        (("--threads", "0"), "usage"),
        (("--kernels", "quantum"), "kernels_unusable"),
        (("--model", "/nowhere/model.rail"), "unreadable"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else value,
)
def test_what_cannot_be_run_has_its_own_code(here: Rail, tmp_path: Path, options: tuple[str, ...], code: str) -> None:
    done = here("generate", "once", *options, "--home", tmp_path / "h", "--json")
    assert (done.code, done.error) == (2, code)


def test_a_prompt_longer_than_the_context_is_refused(here: Rail, tmp_path: Path) -> None:
    done = here("generate", "the cat sat on the mat " * 100, "--home", tmp_path / "h", "--json")
    assert (done.code, done.error) == (2, "context_exceeded")


def test_a_prompt_that_is_not_text_is_refused(here: Rail, tmp_path: Path) -> None:
    done = here("generate", "-", "--home", tmp_path / "h", "--json", stdin=b"once \xff upon")
    assert (done.code, done.error) == (2, "invalid_utf8")


def test_a_prompt_argument_that_is_not_utf_8_is_refused(rail: Rail, tmp_path: Path) -> None:
    done = rail("generate", os.fsdecode(b"\xff\xfe"), "--home", tmp_path / "h", "--json")
    assert (done.code, done.error) == (2, "invalid_utf8")
    assert "the prompt is not UTF-8" in done.err
    assert not (tmp_path / "h").exists()


def test_a_receipt_that_cannot_be_written_does_not_hide_that_the_run_is_logged(here: Rail, tmp_path: Path) -> None:
    home = tmp_path / "h"
    home.mkdir()
    (home / "receipts").write_text("in the way", encoding="utf-8")
    done = here("generate", "the", "--max-tokens", "4", "--home", home, "--json")
    assert (done.code, done.error) == (2, "receipt_not_written")
    answer = done.json
    assert (answer["record_id"], answer["receipt"], answer["verdict"]) == (2, None, "unchecked")
    assert f"logged as record 2, leaf hash {answer['leaf_hash']}, but the receipt could not be written" in done.err
    assert here("log", "info", "--home", home, "--json").json["size"] == 3


def test_a_truncated_model_is_refused_and_nothing_is_logged(rail: Rail, story: Story, tmp_path: Path) -> None:
    whole = Path(json.loads(rail("model", "show", "--json").out)["file"]).read_bytes()
    cut = tmp_path / "cut.rail"
    cut.write_bytes(whole[:-1])
    size = rail("log", "info", "--home", story.home, "--json").json["size"]
    done = rail("generate", "once", "--model", cut, "--home", story.home, "--json")
    assert (done.code, done.error) == (2, "file_size")
    assert rail("log", "info", "--home", story.home, "--json").json["size"] == size


def test_the_first_interrupt_ends_the_run_and_the_second_the_command() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
