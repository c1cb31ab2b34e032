"""Puts a backup in the place of a home's store, while servers run. The old store is kept."""

from __future__ import annotations

import time
from pathlib import Path

import apsw

from agent_tools.errors import InvalidArgument, StoreError
from agent_tools.home import HomeFolder, make_private_folder
from agent_tools.store.store import Store


def restore(home: Path, backup: Path) -> Path | None:
    """Replace home's store by a backup. Returns where the store that was there is kept, None where there was none.

    A store that can be opened is copied aside and then overwritten page by page under SQLite's own locks, so servers
    that have it open go on with the restored one. A damaged one is moved aside.
    Raises: InvalidArgument: no such file, or it is no sound store. StoreTooNew, StoreFull, StoreError.
    """
    _check(backup)
    live = HomeFolder(home).store
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept: Path | None = None
    if live.exists():
        kept = HomeFolder(home).backups / f"before-restore-{stamp}.sqlite3"
        make_private_folder(kept.parent)
        try:
            store = Store.open(home)
        except StoreError:
            for suffix in ("", "-wal", "-shm"):
                old = live.with_name(live.name + suffix)
                if old.exists():
                    old.rename(kept.with_name(kept.name + suffix))
        else:
            try:
                store.backup(kept)
            finally:
                store.close()
    make_private_folder(home)
    source = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
    target = apsw.Connection(str(live))
    try:
        target.set_busy_timeout(30_000)
        with target.backup("main", source, "main") as copy:
            while not copy.done:
                copy.step(-1)
    except apsw.Error as error:
        raise StoreError(
            f"the backup could not be copied ({error}). What was there is at {kept or 'no place'}."
        ) from error
    finally:
        target.close()
        source.close()
    Store.open(home).close()  # migrates an older backup
    return kept


def _check(backup: Path) -> None:
    if not backup.is_file():
        raise InvalidArgument(f"{backup} is not a file. Give a file that `agent-tools backup` wrote.")
    try:
        connection = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            sound = connection.execute("PRAGMA quick_check").get == "ok"
            ours = bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name='videos'").get)
        finally:
            connection.close()
    except apsw.Error as error:
        raise InvalidArgument(
            f"{backup} is no store ({error}). Give a file that `agent-tools backup` wrote."
        ) from error
    if not sound or not ours:
        raise InvalidArgument(f"{backup} is damaged or no store of this program. Give another backup.")
