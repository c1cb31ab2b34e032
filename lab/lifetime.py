"""What a program started ends with it, however it ends: also by SIGKILL, which it cannot answer.

A watcher in a session of its own waits for the end of the program. Then it ends every process that the program
started, and what those started, and removes folders that the program named. It knows them by a mark in their
environment, so one that has a session of its own, or whose parent is gone, is found too."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "LAB_PROGRAM"
GRACE_S = 5.0  # between SIGTERM and SIGKILL
_folders: int | None = None  # the pipe by which the watcher hears of folders


def take_along(*folders: Path) -> None:
    """From now on, what this process starts ends with it, and then these folders are removed.

    Needs Linux. On other systems it does nothing, and a program that is killed leaves its processes behind."""
    global _folders
    if not hasattr(os, "pidfd_open"):
        return
    if _folders is None or os.environ.get(MARK, "").partition("-")[0] != str(os.getpid()):  # a fork has its own
        _folders = _watched()
    for folder in folders:
        os.write(_folders, os.fsencode(folder) + b"\0")


def _watched() -> int:
    """Start the watcher of this process; the pipe to it."""
    unmarked = {name: value for name, value in os.environ.items() if name != MARK}
    os.environ[MARK] = f"{os.getpid()}-{secrets.token_hex(4)}"
    command = [sys.executable, str(Path(__file__).resolve()), str(os.getpid()), os.environ[MARK]]
    read, write = os.pipe()
    # Not subprocess, which expects that what was started ends first.
    os.posix_spawn(command[0], command, unmarked, file_actions=[(os.POSIX_SPAWN_DUP2, read, 0)], setsid=True)
    os.close(read)
    return write


@contextlib.contextmanager
def temporary(prefix: str, place: Path | None = None) -> Iterator[Path]:
    """A new folder, in the one for temporary files or below `place`; it is removed afterwards, or with this process."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    take_along(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def watch(pid: int, mark: str) -> None:
    """Wait for the end of a process; then end those that carry the mark, and remove the folders named on stdin."""
    os.closerange(3, 4096)  # what the program had open, such as a lock, is not the watcher's
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when the program does
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        select.select([os.pidfd_open(pid)], [], [])
    for number, wait_s in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
        _ended(mark, number, wait_s)
    os.set_blocking(sys.stdin.fileno(), False)
    for name in (sys.stdin.buffer.read() or b"").split(b"\0")[:-1]:
        folder = Path(os.fsdecode(name))
        if folder.is_mount():
            subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _ended(mark: str, number: int, wait_s: float) -> None:
    """Send a signal to all that carry the mark, and to those that they start meanwhile, until none is left."""
    deadline, sent = time.monotonic() + wait_s, set[int]()
    while (left := marked(mark)) and time.monotonic() < deadline:
        for pid in left - sent:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        sent |= left
        time.sleep(0.05)


def marked(mark: str) -> set[int]:
    """The processes whose environment carries the mark."""
    wanted, found = f"{MARK}={mark}".encode(), set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    return found


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
