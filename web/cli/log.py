"""`rail log`: the log of the home folder: what it is, whether it is sound, a copy to serve, and erasure of content."""

import os
from pathlib import Path

import click

from web.cli.backup import backup, import_files, restore
from web.cli.hammer import hammer
from web.cli.options import home_option, json_option, option, settings_from
from web.cli.output import CommandError, Exit, emit_json, fact, printable, progress, say, verdict_line

SHOWN_FAULTS = 20
INDEX_DIGITS_MAX = 18


@click.group()
def log() -> None:
    """Look after the log in the home folder.

    \b
    Examples:
      rail log info
      rail log fsck
      rail log export /srv/www/log
      rail log erase 17 --reason requested
      rail log migrate
      rail log backup
      rail log restore backup.db --checkpoint newest-known.txt
      rail log import /srv/mirror/log.example
      rail log hammer http://127.0.0.1:8080 --statements 10000
    """


for _command in (hammer, backup, restore, import_files):
    log.add_command(_command)


@log.command()
@home_option
@json_option
def info(home: str | None, as_json: bool) -> int:
    """Show the log's name, key, size and root, and what is in it."""
    from web.cli.local import open_local

    settings = settings_from(home=home)
    with open_local(settings) as local:
        stats = local.log.stats()
        head = {"origin": local.log.origin, "vkey": local.log.vkey, "size": stats.size, "root": local.log.root().hex()}
    if as_json:
        emit_json(
            {"verdict": "ok", **head, "entries": stats.kinds, "contents": stats.contents, "home": str(settings.home)}
        )
        return Exit.OK
    for name, value in head.items():
        fact(name, value)
    fact("entries", ", ".join(f"{count} {kind}" for kind, count in sorted(stats.kinds.items())))
    fact("contents", ", ".join(f"{count} {kind}" for kind, count in sorted(stats.contents.items())) or "none")
    fact("home", settings.home)
    return Exit.OK


@log.command()
@option("--hashes-only", is_flag=True, help="Only the tree: leaves, stored hashes, root, checkpoint. Much faster.")
@home_option
@json_option
def fsck(hashes_only: bool, home: str | None, as_json: bool) -> int:
    """Check the whole log: every hash, signature, commitment, tile and the checkpoint. Exit code 3 for any fault."""
    from web import upkeep
    from web.cli.local import open_local

    settings = settings_from(home=home)
    with open_local(settings) as local, progress("entries") as advance:
        processes = len(os.sched_getaffinity(0))
        report = local.log.fsck(progress=advance, hashes_only=hashes_only, processes=processes)
    task = upkeep.FSCK_HASHES if hashes_only else upkeep.FSCK
    upkeep.record(settings.home, task, report.size, report.fault_count)
    exit_code = Exit.OK if report.ok else Exit.PROOF_FAILED
    if as_json:
        faults = [{"code": fault.code, "index": fault.index, "message": fault.message} for fault in report.faults]
        counts = {
            "hashes_only": hashes_only,
            "size": report.size,
            "entries": report.entries,
            "contents": report.contents,
        }
        body = {**counts, "root": report.root.hex(), "fault_count": report.fault_count, "faults": faults}
        emit_json({"verdict": "ok" if report.ok else "proof_failed", **body})
        return exit_code
    for fault in report.faults[:SHOWN_FAULTS]:
        say(f"  [{fault.code}] {printable(fault.message)}")
    if report.fault_count > SHOWN_FAULTS:
        say(f"  … and {report.fault_count - SHOWN_FAULTS} more (--json shows up to {len(report.faults)})")
    if report.ok:
        verdict_line(
            "sound", f"{report.entries} entries, {report.contents} contents, root {report.root.hex()}", exit_code
        )
    else:
        verdict_line("damaged", f"{report.fault_count} faults among {report.entries} entries", exit_code)
    return exit_code


@log.command()
@home_option
@json_option
def migrate(home: str | None, as_json: bool) -> int:
    """Bring the tables of a log that an older version made to this one's, in one transaction. Make a backup first."""
    from ledger.log import Log

    before, after = Log.migrate(settings_from(home=home).database)
    if as_json:
        emit_json({"verdict": "ok", "before": before, "after": after})
    elif before == after:
        verdict_line("current", f"the tables have version {after} already", Exit.OK)
    else:
        verdict_line("migrated", f"from version {before} to {after}", Exit.OK)
    return Exit.OK


@log.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False))
@option("--policy", type=click.Path(dir_okay=False), help="tlog-policy file: export what its quorum has cosigned.")
@home_option
@json_option
def export(folder: str, policy: str | None, home: str | None, as_json: bool) -> int:
    """Write the log as static files (C2SP tlog-tiles) to DIR, for any web server or object store.

    Run it again to bring DIR up to date: full tiles never change and are not written twice.
    """
    from web.cli.export import export_log
    from web.cli.local import open_local
    from web.policy_file import load_policy

    rules = load_policy(Path(policy)) if policy is not None else None
    with open_local(settings_from(home=home)) as local, progress("tiles") as advance:
        size, written = export_log(local.log, Path(folder), advance, rules)
    if as_json:
        emit_json({"verdict": "exported", "folder": folder, "size": size, "files_written": written})
    else:
        verdict_line("exported", f"{size} entries to {folder}, {written} files written", Exit.OK)
    return Exit.OK


@log.command()
@click.argument("record", metavar="RECORD")
@option("--reason", default="requested", show_default=True, help="Short code that goes into the log, e.g. requested.")
@home_option
@json_option
def erase(record: str, reason: str, home: str | None, as_json: bool) -> int:
    """Erase the content of RECORD: text, token ids and salts, from the store and the index. There is no way back.

    The entry stays, and every proof of it holds; without the salts it says nothing about the text. A signed erasure
    statement is appended to the log. Its receipts in HOME/receipts, which hold the text too, are removed, and backups
    in HOME/backups lose it; what others hold, they keep.
    """
    from ledger.keys import SigningKey
    from web.backups import erase_in_backups
    from web.cli.local import open_local
    from web.log_key import load_log_key

    index = _record_index(record)
    settings = settings_from(home=home)
    with open_local(settings) as local:
        local.log.entry(index)
    with open_local(settings, load_log_key(settings)) as local:
        erasure = local.log.erase(index, reason, SigningKey.load(settings.operator_key))
        local.index.remove(index)
        in_backups, kept = erase_in_backups(settings.home, index, local.log.vkey)
    removed, left = _remove_receipts(settings.home / "receipts", index)
    left += kept
    fields = {"record_id": index, "erasure_record_id": erasure.index, "reason": reason, "receipts_removed": removed}
    fields["backups"] = in_backups
    if left:
        raise CommandError(
            "receipts_left",
            f"the content of record {index} is erased (entry {erasure.index}), but receipts or backups that hold it "
            f"could not be changed: {', '.join(left)}",
            "remove these files yourself",
            fields=fields,
        )
    if as_json:
        emit_json({"verdict": "erased", **fields})
    else:
        verdict_line("erased", f"the content of record {index}; entry {erasure.index} says so", Exit.OK)
        for path in removed:
            fact("removed", path)
        for path in in_backups:
            fact("erased in", path)
    return Exit.OK


def _record_index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= INDEX_DIGITS_MAX):
        raise CommandError(
            "invalid_record_id", f"{text!r} is not the number of a record", "`rail verify` and `rail generate` name it"
        )
    return int(text)


def _remove_receipts(folder: Path, index: int) -> tuple[list[str], list[str]]:
    """Remove the files INDEX-*.json of a folder: the paths of those that are gone, and why others are still there."""
    removed: list[str] = []
    left: list[str] = []
    for path in sorted(folder.glob(f"{index}-*.json")):
        try:
            path.unlink()
            removed.append(str(path))
        except OSError as error:
            left.append(f"{path}: {error.strerror}")
    return removed, left
