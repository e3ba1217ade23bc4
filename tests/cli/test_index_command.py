"""`rail index`: how far it is, and made again with the same answers."""

import sqlite3
from pathlib import Path

from tests.cli.conftest import Rail, Story


def test_rebuild_makes_the_index_again(here: Rail, story: Story, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with sqlite3.connect(story.home / "rail.db") as source, sqlite3.connect(home / "rail.db") as copy:
        source.backup(copy)
    with sqlite3.connect(home / "rail.db") as copy:
        before = sorted(copy.execute("SELECT * FROM index_postings")), sorted(copy.execute("SELECT * FROM index_terms"))
        for name in ("state", "records", "segments", "postings", "terms", "vocabulary"):
            copy.execute(f"DROP TABLE index_{name}")
    behind = here("index", "info", "--home", home, "--json")
    assert (behind.code, behind.json["verdict"], behind.json["indexed_through"]) == (2, "behind", -1)
    done = here("index", "rebuild", "--home", home, "--json")
    assert (done.code, done.json["verdict"], done.json["indexed"]) == (0, "rebuilt", 1)
    with sqlite3.connect(home / "rail.db") as copy:
        after = sorted(copy.execute("SELECT * FROM index_postings")), sorted(copy.execute("SELECT * FROM index_terms"))
    assert after == before and all(before)
    assert here("index", "info", "--home", home, "--json").json["verdict"] == "complete"


def test_no_log_is_no_index(here: Rail, tmp_path: Path) -> None:
    done = here("index", "rebuild", "--home", tmp_path / "none", "--json")
    assert (done.code, done.error) == (2, "no_log")
