"""`rail log backup`, `restore` and `import`: the log as one file, and back from it or from a mirror."""

from pathlib import Path

import click

from web.cli.options import home_option, json_option, option, settings_from
from web.cli.output import CommandError, Exit, emit_json, fact, progress, verdict_line

CHECKPOINT_BYTES_MAX = 64 << 10


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(dir_okay=False))
@home_option
@json_option
def backup(file: str | None, home: str | None, as_json: bool) -> int:
    """Write the whole log, contents too, to FILE and check it, while the service runs. [default: HOME/backups/SIZE.db]

    The file is a SQLite log of its own, readable by you alone. Backups in HOME/backups lose what is erased later;
    copies elsewhere do not. The keys are not in it: keep them apart.
    """
    from ledger.backup import backup as make_backup
    from web import upkeep
    from web.backups import backups_folder
    from web.cli.local import open_local

    settings = settings_from(home=home)
    with open_local(settings) as local:
        size = local.log.size()
    if file is None:
        backups_folder(settings.home).mkdir(mode=0o700, exist_ok=True)
        path = backups_folder(settings.home) / f"{size}.db"
    else:
        path = Path(file)
    with progress("entries") as advance:
        report = make_backup(settings.database, path.absolute(), advance)
    upkeep.record(settings.home, upkeep.BACKUP, report.size)
    body = {"file": str(path), "size": report.size, "contents": report.contents, "root": report.root.hex()}
    if as_json:
        emit_json({"verdict": "ok", **body})
    else:
        verdict_line("backed up", f"{report.size} entries and {report.contents} contents, checked", Exit.OK)
        fact("file", path)
    return Exit.OK


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, exists=True))
@option("--checkpoint", type=click.Path(dir_okay=False, exists=True), help="Newest checkpoint known from outside.")
@option("--unknown-checkpoint", is_flag=True, help="None is known: nobody else ever saw this log.")
@home_option
@json_option
def restore(file: str, checkpoint: str | None, unknown_checkpoint: bool, home: str | None, as_json: bool) -> int:
    """Bring the log in a backup into the empty database of HOME, and check it.

    A backup that is older than what the log has published since must not be gone on from: the log would sign two trees
    of one size, which is the one thing that it must never do. So name the newest checkpoint that a mirror, a witness or
    a receipt has.
    """
    from ledger.backup import restore as bring_back

    if (checkpoint is None) != unknown_checkpoint:
        raise CommandError(
            "checkpoint_needed",
            "say which checkpoint of this log is the newest known outside",
            "--checkpoint FILE, or --unknown-checkpoint if the log was never published",
        )
    published = _read(Path(checkpoint)) if checkpoint is not None else None
    settings = settings_from(home=home)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with progress("entries") as advance:
        report = bring_back(Path(file).absolute(), settings.database, published, advance)
    _mark_made(settings.home, settings.database)
    if as_json:
        emit_json({"verdict": "ok", "size": report.size, "contents": report.contents, "root": report.root.hex()})
    else:
        verdict_line("restored", f"{report.size} entries and {report.contents} contents, checked", Exit.OK)
    return Exit.OK


@click.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, exists=True))
@option("--log-key", metavar="VKEY", help="The log's key. [default: that of HOME/keys/log.key]")
@home_option
@json_option
def import_files(folder: str, log_key: str | None, home: str | None, as_json: bool) -> int:
    """Make the log of HOME anew out of static files (C2SP tlog-tiles), such as `rail log export` or a mirror has.

    Everything is computed anew and must lead to the root of DIR/checkpoint, signed by the log's key. Static files hold
    no contents: texts are gone, every proof holds.
    """
    from ledger.importing import import_log
    from ledger.keys import VerifyKey
    from ledger.log import Log
    from ledger.tiles import Tile, decode_bundle, format_tile_path
    from web.log_key import load_log_key

    settings = settings_from(home=home)
    if log_key is None and settings.log_signer is None and not settings.log_key.exists():
        raise CommandError("no_trusted_log_key", f"{settings.home} has no key of this log", "give its vkey: --log-key")
    key = VerifyKey.parse(log_key) if log_key is not None else load_log_key(settings).verify_key
    root = Path(folder)

    def bundle(number: int, width: int) -> list[bytes]:
        return decode_bundle((root / format_tile_path(Tile(None, number, width))).read_bytes(), width)

    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with progress("entries") as advance:
            head = import_log(settings.database, key, _read(root / "checkpoint"), bundle, advance)
    except OSError as error:
        raise CommandError("files_missing", f"{error.filename}: {error.strerror}", "the mirror is not whole") from error
    with Log.open(settings.database, None) as log, progress("checked") as advance:
        report = log.fsck(progress=advance)
    _mark_made(settings.home, settings.database)
    exit_code = Exit.OK if report.ok else Exit.PROOF_FAILED
    body = {"size": head.size, "root": head.root.hex(), "fault_count": report.fault_count}
    if as_json:
        emit_json({"verdict": "ok" if report.ok else "proof_failed", **body})
    elif report.ok:
        verdict_line("imported", f"{head.size} entries, checked", exit_code)
    else:
        first = report.faults[0]
        verdict_line("damaged", f"{report.fault_count} faults, the first: [{first.code}] {first.message}", exit_code)
    return exit_code


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(CHECKPOINT_BYTES_MAX)


def _mark_made(home: Path, database: str) -> None:
    """The home has a log now: a database that is gone later is an error, not a new log."""
    from ledger.log import Log
    from web.files import replace_file
    from web.log_key import made_mark

    with Log.open(database, None) as log:
        replace_file(made_mark(home), f"{log.origin}\n".encode())
