"""`rail verify TEXT`: the verdict is the exit code, and bad input has a code of its own."""

import os
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Rail, Story
from web.cli.demo_texts import UNRELATED, disguise


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
