"""`rail log`: info, fsck, and an export that is a complete static log."""

import functools
import sqlite3
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ledger.keys import VerifyKey
from ledger.tiles import format_tile_path, tiles_of
from tests.cli.conftest import PROMPT, SAMPLING, Rail, Story


def test_info_says_what_the_log_is(rail: Rail, story: Story) -> None:
    done = rail("log", "info", "--home", story.home, "--json")
    assert done.code == 0
    assert (done.json["vkey"], done.json["size"]) == (story.vkey, 3)
    assert done.json["entries"] == {"operator": 1, "model": 1, "generation": 1}
    assert VerifyKey.parse(done.json["vkey"]).name == done.json["origin"]


def test_info_without_a_log_makes_none(here: Rail, tmp_path: Path) -> None:
    done = here("log", "info", "--home", tmp_path / "none", "--json")
    assert (done.code, done.error) == (2, "no_log")
    assert not (tmp_path / "none").exists()


def test_a_sound_log_passes_fsck(rail: Rail, story: Story) -> None:
    done = rail("log", "fsck", "--home", story.home)
    assert done.code == 0
    assert done.out.startswith("✓ sound: 3 entries, 1 contents")


def test_damage_in_the_database_is_listed_with_exit_code_3(here: Rail, story: Story, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    with sqlite3.connect(story.home / "rail.db") as source, sqlite3.connect(damaged) as copy:
        source.backup(copy)
    with sqlite3.connect(damaged) as copy:
        (table,) = [
            name
            for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if {"statement", "leaf_hash"} <= {row[1] for row in copy.execute(f"PRAGMA table_info({name})")}
        ]
        for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            copy.execute(f"DROP TRIGGER {name}")
        copy.execute(f"UPDATE {table} SET leaf_hash = zeroblob(32) WHERE rowid = 2")
    copy.close()
    source.close()
    done = here("log", "fsck", "--home", story.home, "--json", env={"RAIL_DATABASE": f"sqlite:///{damaged}"})
    assert (done.code, done.json["verdict"]) == (3, "proof_failed")
    assert done.json["fault_count"] == len(done.json["faults"]) > 0


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not news."""


@pytest.fixture
def static_url(here: Rail, story: Story, tmp_path: Path) -> Iterator[str]:
    """The exported log behind the plainest of web servers."""
    assert here("log", "export", tmp_path / "www", "--home", story.home).code == 0
    handler = functools.partial(_Quiet, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_export_is_a_complete_static_log_that_an_auditor_accepts(
    here: Rail, story: Story, static_url: str, tmp_path: Path
) -> None:
    done = here("audit", static_url, "--sample", "0", "--log-key", story.vkey, "--home", tmp_path, "--json")
    assert (done.code, done.json["verdict"]) == (0, "ok"), done.err
    assert done.json["checked"] == 3


def test_an_export_has_exactly_the_files_of_its_tree_and_is_brought_up_to_date(
    here: Rail, story: Story, tmp_path: Path
) -> None:
    first = here("log", "export", tmp_path / "out", "--home", story.home, "--json").json
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {"checkpoint", *map(format_tile_path, tiles_of(3))}
    assert first == {"verdict": "exported", "folder": str(tmp_path / "out"), "size": 3, "files_written": 3}
    assert here("log", "export", tmp_path / "out", "--home", story.home, "--json").json["size"] == 3


def test_another_logs_folder_is_not_written_into(here: Rail, story: Story, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("rail.other/log\n1\n", encoding="utf-8")
    done = here("log", "export", tmp_path, "--home", story.home, "--json")
    assert (done.code, done.error) == (2, "other_log")


def test_erasure_removes_the_text_and_leaves_the_proofs(here: Rail, tmp_path: Path) -> None:
    home = tmp_path / "home"
    answer = here("generate", PROMPT, *SAMPLING, "--home", home, "--json").json
    (tmp_path / "text").write_text(answer["text"], encoding="utf-8")
    assert here("verify", tmp_path / "text", "--home", home, "--json").json["verdict"] == "exact"
    receipt = Path(answer["receipt"])
    kept = receipt.rename(tmp_path / "kept.json")
    others = [receipt, receipt.with_name("21-x.json"), receipt.with_name("2-x.txt")]
    for path in others:
        path.write_bytes(kept.read_bytes())
    done = here("log", "erase", str(answer["record_id"]), "--home", home, "--json")
    assert done.code == 0, done.err
    assert done.json["receipts_removed"] == [str(receipt)]
    assert [path.exists() for path in others] == [False, True, True]
    assert done.json["erasure_record_id"] == answer["record_id"] + 1
    assert here("verify", tmp_path / "text", "--home", home, "--json").json["verdict"] == "none"
    assert here("verify", kept, "--home", home).code == 0
    assert here("log", "fsck", "--home", home).out.startswith("✓ sound: 4 entries, 0 contents")
    again = here("log", "erase", str(answer["record_id"]), "--home", home, "--json")
    assert (again.code, again.error) == (2, "no_content")
    data = b"".join(path.read_bytes() for path in home.glob("rail.db*"))
    assert answer["text"].encode()[:40] not in data


def test_an_entry_that_does_not_exist_cannot_be_erased(here: Rail, story: Story) -> None:
    done = here("log", "erase", "99", "--home", story.home, "--json")
    assert done.code == 2
    assert done.error
    named = here("log", "erase", "x", "--home", story.home, "--json")
    assert (named.code, named.error) == (2, "invalid_record_id")
