"""The folder of backups in the home folder: what is erased from the log is erased from them too."""

from pathlib import Path

from ledger.backup import erase_in_backup
from ledger.errors import LedgerError


def backups_folder(home: Path) -> Path:
    return home / "backups"


def erase_in_backups(home: Path, leaf_index: int, vkey: str) -> tuple[list[str], list[str]]:
    """Drop an erased entry's content from every backup in HOME/backups: paths where it was, and why others keep it."""
    gone: list[str] = []
    left: list[str] = []
    for path in sorted(backups_folder(home).glob("*.db")):
        try:
            if erase_in_backup(path, leaf_index, vkey):
                gone.append(str(path))
        except LedgerError as error:
            left.append(f"{path}: {error}")
    return gone, left
