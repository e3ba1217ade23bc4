"""`rail demo` in full, and that it fails loudly when a claim does not hold."""

from pathlib import Path

import pytest

from tests.cli.conftest import Rail
from web.cli.demo_steps import Steps
from web.cli.demo_texts import AFTER, BEFORE, disguise, quote
from web.cli.output import CommandError, Exit


def test_every_claim_of_the_demo_holds(rail: Rail, tmp_path: Path) -> None:
    done = rail("demo", "--home", tmp_path / "demo")
    assert done.code == 0, done.out + done.err
    for part in (
        "model root",
        "leaf hash",
        "log size",
        "exact, raw",
        "exact, normalised",
        "excerpt",
        "none",
        "same bits",
    ):
        assert part in done.out
    assert "exit code   3" in done.out
    assert done.out.count("\n  ✓ ") == 9
    assert "✓ demo passed: 9 steps" in done.out


def test_a_folder_in_use_is_left_alone(here: Rail, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine", encoding="utf-8")
    done = here("demo", "--home", tmp_path, "--json")
    assert (done.code, done.error) == (2, "home_not_empty")


def test_a_claim_that_does_not_hold_ends_the_demo() -> None:
    steps = Steps(quiet=True)
    with pytest.raises(CommandError, match="step 1: the sky is not green") as caught, steps.step("Look up"):
        steps.claim(False, "the sky is not green")
    assert caught.value.exit_code is Exit.NO_MATCH
    assert steps.done == []


def test_a_quotation_knows_where_it_is() -> None:
    quotation = quote(" ".join(f"word{number}" for number in range(40)), 25)
    excerpt = quotation.text[quotation.start : quotation.end]
    assert len(excerpt.split()) == 25
    assert quotation.text == BEFORE + excerpt + AFTER
    with pytest.raises(ValueError, match="no excerpt of 25 words"):
        quote("too short")


def test_a_disguise_changes_bytes_but_not_words() -> None:
    text = 'She said "hello", and it\'s true.'
    other = disguise(text)
    assert other != text
    assert "\u200b" in other
    assert [ord(char) for char in other if char in "\"'"] == []
