"""`rail model` and `rail convert`."""

from pathlib import Path

import pytest

from tests.cli.conftest import Machine, Rail


def test_show_says_what_the_file_says_about_itself(rail: Rail, machine: Machine) -> None:
    done = rail("model", "show", machine.model, "--json")
    assert done.code == 0
    assert done.json["name"] == "wordy"
    assert done.json["config"]["context_tokens"] == 256
    assert done.json["bytes"] == machine.model.stat().st_size
    text = rail("model", "show").out
    assert done.json["root"] in text


def test_verify_compares_the_root(rail: Rail, here: Rail, machine: Machine) -> None:
    root = here("model", "show", machine.model, "--json").json["root"]
    assert rail("model", "verify", machine.model, "--root", root).code == 0
    done = here("model", "verify", machine.model, "--root", "00" * 32, "--json")
    assert (done.code, done.error) == (3, "root_mismatch")
    assert here("model", "verify", machine.model, "--root", "12", "--json").error == "bad_root"


def test_a_flipped_bit_anywhere_is_refused_with_or_without_a_root(here: Rail, machine: Machine, tmp_path: Path) -> None:
    data = machine.model.read_bytes()
    root = here("model", "show", machine.model, "--json").json["root"]
    altered = tmp_path / "altered.rail"
    for place in (0, 9, 16, 200, 5000, len(data) // 2, len(data) - 1):
        altered.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        for against in ((), ("--root", root)):
            done = here("model", "verify", altered, *against, "--json")
            assert (done.code, done.json["verdict"]) == (3, "proof_failed"), place
        shown = here("model", "show", altered, "--json")
        assert (shown.code, shown.error) == (2, done.error)


@pytest.mark.parametrize("name", ["missing.rail", "empty.rail", "text.rail", "."])
def test_what_is_no_model_file_is_refused(here: Rail, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.rail").touch()
    (tmp_path / "text.rail").write_text("not a model, but long enough to hold a header")
    done = here("model", "show", tmp_path / name, "--json")
    assert done.code == 2
    assert done.error


def test_convert_is_reproducible_and_gives_a_model_that_runs(rail: Rail, shared_data: Path, tmp_path: Path) -> None:
    models = shared_data / "models"
    tokenizer = ("--tokenizer", models / "stories260K_tok512.model")
    first = rail("convert", models / "stories260K.bin", tmp_path / "a.rail", *tokenizer, "--json")
    again = rail("convert", models / "stories260K.bin", tmp_path / "b.rail", *tokenizer, "--json")
    assert first.code == again.code == 0, first.err
    assert first.json["model_root"] == again.json["model_root"]
    assert (tmp_path / "a.rail").read_bytes() == (tmp_path / "b.rail").read_bytes()


def test_what_cannot_be_converted_leaves_no_file(here: Rail, tmp_path: Path) -> None:
    (tmp_path / "source.bin").write_bytes(b"\0" * 10)
    for source in (tmp_path / "source.bin", "/etc/passwd"):
        done = here("convert", source, tmp_path / "out.rail", "--json")
        assert (done.code, done.error) == (2, "unknown_format")
    assert here("convert", tmp_path / "nothing", tmp_path / "out.rail", "--json").code == 2
    assert not (tmp_path / "out.rail").exists()
