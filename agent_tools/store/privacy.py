"""Forgetting: what is deleted leaves no trace in the file, and nobody but its owner reads the data folder.

SQLite overwrites deleted rows (secure_delete, see database.py). What is left to do after a deletion is here: words in
the index, free pages, and the log, which holds pages as they were."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent_tools.home import open_private

OTHERS = 0o077  # permissions of everybody but the owner


def make_file_private(path: Path) -> None:
    """Make the file, for its owner alone, where it is not there; SQLite gives its log the same permissions."""
    with suppress(OSError):  # opening it will say what is wrong, and how to mend it
        os.close(open_private(path, os.O_CREAT | os.O_RDWR))


def exposed(home: Path) -> list[Path]:
    """The data folder and what in it others may read; nothing where others cannot enter the folder.

    On Windows nothing: permissions there are inherited from the user's own folder."""
    if os.name == "nt" or not home.is_dir() or not stat.S_IMODE(home.stat().st_mode) & OTHERS:
        return []
    return [path for path in _all(home) if stat.S_IMODE(path.stat().st_mode) & OTHERS]


def make_private(home: Path) -> int:
    """Take from others every permission on the data folder and what is in it; returns for how many paths."""
    paths = exposed(home)
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHERS)
    return len(paths)


def _all(home: Path) -> Iterator[Path]:
    """The folder, its folders and its files; links are left alone, because they may lead out of it."""
    yield home
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            path = Path(folder, name)
            if not path.is_symlink():
                yield path
