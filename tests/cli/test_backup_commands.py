"""`rail log backup`, `restore`, `import` and `migrate`, and what an erasure does to backups."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Rail, Story


@pytest.fixture
def home(story: Story, tmp_path: Path) -> Path:
    """A copy of the home with one run, to be changed."""
    shutil.copytree(story.home, tmp_path / "home")
    return tmp_path / "home"


def test_backup_and_restore(here: Rail, home: Path, story: Story, tmp_path: Path) -> None:
    made = here("log", "backup", "--home", home, "--json").json
    assert (made["verdict"], made["contents"]) == ("ok", 1)
    path = Path(made["file"])
    assert path == home / "backups" / f"{made['size']}.db" and path.stat().st_mode & 0o777 == 0o600
    assert here("log", "backup", path, "--home", home, "--json").error == "backup_exists"
    new = tmp_path / "new"
    (new / "keys").mkdir(mode=0o700, parents=True)
    for key in (home / "keys").iterdir():
        shutil.copy2(key, new / "keys")
    assert here("log", "restore", path, "--home", new, "--json").error == "checkpoint_needed"
    note = tmp_path / "checkpoint"
    here("log", "export", tmp_path / "files", "--home", home)
    shutil.copy(tmp_path / "files" / "checkpoint", note)
    done = here("log", "restore", path, "--checkpoint", note, "--home", new)
    assert done.code == 0 and "restored" in done.out
    assert here("log", "fsck", "--home", new, "--json").json["root"] == made["root"]
    assert here("verify", "-", "--home", new, "--json", stdin=story.text.encode()).json["verdict"] == "exact"
    assert here("log", "restore", path, "--unknown-checkpoint", "--home", new, "--json").error == "log_exists"


def test_an_older_backup_is_refused(here: Rail, home: Path, story: Story, tmp_path: Path) -> None:
    path = here("log", "backup", "--home", home, "--json").json["file"]
    here("log", "erase", str(story.answer["record_id"]), "--home", home)
    here("log", "export", tmp_path / "files", "--home", home)
    done = here(
        "log", "restore", path, "--checkpoint", tmp_path / "files" / "checkpoint", "--home", tmp_path / "new", "--json"
    )
    assert (done.code, done.error) == (2, "restore_behind")


def test_an_erasure_reaches_the_backups(here: Rail, home: Path, story: Story) -> None:
    path = Path(here("log", "backup", "--home", home, "--json").json["file"])
    text = story.text.encode()
    assert text in path.read_bytes()
    erased = here("log", "erase", str(story.answer["record_id"]), "--home", home, "--json").json
    assert erased["backups"] == [str(path)]
    assert text not in path.read_bytes()


def test_import_of_an_export(here: Rail, home: Path, tmp_path: Path) -> None:
    files, new = tmp_path / "files", tmp_path / "new"
    exported = here("log", "export", files, "--home", home, "--json").json
    (new / "keys").mkdir(mode=0o700, parents=True)
    shutil.copy2(home / "keys" / "log.key", new / "keys")
    imported = here("log", "import", files, "--home", new, "--json").json
    assert (imported["verdict"], imported["size"]) == ("ok", exported["size"])
    assert here("log", "info", "--home", new, "--json").json["root"] == imported["root"]
    assert here("log", "import", files, "--home", new, "--json").error == "log_exists"
    shutil.copytree(new / "keys", tmp_path / "third" / "keys")
    for bundle in (files / "tile" / "entries").rglob("*"):
        if bundle.is_file():
            bundle.unlink()
    assert here("log", "import", files, "--home", tmp_path / "third", "--json").error == "files_missing"


def test_a_current_log_needs_no_migration(here: Rail, home: Path) -> None:
    done = here("log", "migrate", "--home", home)
    assert done.code == 0 and "current" in done.out
