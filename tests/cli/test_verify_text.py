"""`rail verify TEXT`: the verdict is the exit code, and bad input has a code of its own."""

import os
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Rail, Story
from web.cli.demo_texts import UNRELATED, disguise
from web.cli.verify_text import _print_evidence


def test_the_whole_text_is_exact(rail: Rail, story: Story, tmp_path: Path) -> None:
    file = tmp_path / "story.txt"
    file.write_text(story.text, encoding="utf-8")
    done = rail("verify", file, "--home", story.home, "--json")
    assert done.code == 0
    assert (done.json["verdict"], done.json["layer"]) == ("exact", "raw")
    assert [record["record_id"] for record in done.json["records"]] == [story.answer["record_id"]]


def test_standard_input_and_the_argument_itself_are_texts_too(here: Rail, story: Story) -> None:
    assert here("verify", "-", "--home", story.home, stdin=story.text.encode()).out.startswith("✓ exact")
    assert here("verify", disguise(story.text), "--home", story.home, "--json").json["verdict"] == "exact"


def test_an_unrelated_text_is_no_match_and_says_nothing_about_its_author(rail: Rail, story: Story) -> None:
    done = rail("verify", UNRELATED, "--home", story.home)
    assert done.code == 1
    assert done.out.startswith("✗ none")
    assert "says nothing about who wrote" in done.out


@pytest.mark.parametrize(
    ("given", "code"),
    [(b"", "empty_text"), (b"abc \xff\xfe", "invalid_utf8"), (b"x" * 10_000_000, "text_too_large")],
    ids=["empty", "not-utf8", "10MB"],
)
def test_what_is_no_text_cannot_be_checked(here: Rail, story: Story, given: bytes, code: str) -> None:
    done = here("verify", "-", "--home", story.home, "--json", stdin=given)
    assert (done.code, done.error) == (2, code)


@pytest.mark.parametrize("text", ["\u200b\u200d\ufeff" * 10, " \n\t ", "one"], ids=["invisible", "blank", "one-word"])
def test_what_has_too_little_to_compare_is_unchecked_not_unmatched(here: Rail, story: Story, text: str) -> None:
    done = here("verify", "-", "--home", story.home, "--json", stdin=text.encode())
    assert (done.code, done.json["verdict"]) == (2, "unchecked")
    assert done.json["reason"]


def test_a_match_says_whose_word_the_assurance_and_the_times_are(here: Rail, story: Story) -> None:
    record = here("verify", story.text, "--home", story.home, "--json").json["records"][0]
    assert (record["assurance"], record["engine"]) == ("replayable", "rail-int/2")
    out = here("verify", story.text, "--home", story.home).out
    assert f"first registered {record['logged']} by the log's clock" in out
    assert f"{record['time']}, stated by the operator" in out
    assert "stated by the operator: replayable: made by the rail-int/2 engine, anyone can run it again" in out
    receipt = here("verify", story.receipt, "--home", story.home).out
    assert "stated by the operator: replayable" in receipt


def test_nothing_found_in_a_part_of_a_long_text_is_unchecked_and_says_so(
    here: Rail, story: Story, tmp_path: Path
) -> None:
    long = tmp_path / "long.txt"
    long.write_text(" ".join(f"w{number}" for number in range(21_000)), encoding="utf-8")
    done = here("verify", long, "--home", story.home)
    assert done.code == 2
    assert "truncated" in done.out and "were searched for excerpts" in done.out
    found = here("verify", long, "--home", story.home, "--json").json
    assert (found["verdict"], found["reason_code"], found["truncated"]) == ("unchecked", "truncated", True)


def test_a_capped_search_is_said_with_the_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    _print_evidence({"verdict": "unchecked", "search_capped": True, "truncated": False}, "text")
    assert "than were compared" in capsys.readouterr().out


def test_too_long_a_text_for_a_service_is_not_blamed_on_a_setting_here(here: Rail) -> None:
    done = here("verify", "-", "--url", "http://127.0.0.1:9", "--json", stdin=b"x" * 2_000_000)
    assert (done.code, done.error) == (2, "text_too_large")
    assert "RAIL_MAX_TEXT_BYTES" not in done.err


def test_one_word_is_a_word(here: Rail, story: Story) -> None:
    assert "the text has 1 word;" in here("verify", "-", "--home", story.home, stdin=b"one").out


def test_a_mistyped_file_name_is_not_taken_for_a_text(here: Rail, story: Story) -> None:
    done = here("verify", "recipt.json", "--home", story.home, "--json")
    assert (done.code, done.error) == (2, "no_such_file")


def test_a_folder_is_not_taken_for_a_text(here: Rail, story: Story, tmp_path: Path) -> None:
    done = here("verify", tmp_path, "--home", story.home, "--json")
    assert (done.code, done.error) == (2, "not_a_file")


def test_an_empty_argument_is_an_empty_text_not_the_current_folder(here: Rail, story: Story) -> None:
    done = here("verify", "", "--home", story.home, "--json")
    assert (done.code, done.error) == (2, "empty_text")


def test_a_pipe_with_a_name_is_read_like_a_file(here: Rail, story: Story, tmp_path: Path) -> None:
    """As in `rail verify <(pdftotext paper.pdf -)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(story.text,), daemon=True)
    writer.start()
    assert here("verify", pipe, "--home", story.home).code == 0
    writer.join()


def test_without_a_log_there_is_nothing_to_check_against_and_none_is_made(here: Rail, tmp_path: Path) -> None:
    done = here("verify", "some words to look up", "--home", tmp_path / "none", "--json")
    assert (done.code, done.error) == (2, "no_log")
    assert not (tmp_path / "none").exists()


def test_control_characters_of_a_record_do_not_reach_the_terminal(here: Rail, story: Story) -> None:
    done = here("verify", f"\x1b[31m{story.text}", "--home", story.home)
    assert "\x1b" not in done.out
