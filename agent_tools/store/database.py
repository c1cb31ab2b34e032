"""One SQLite file: a connection per thread, transactions, waiting for locks, and errors of this program's own tree.

schema.py holds the tables."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import apsw

from agent_tools.errors import ModelMissing, StoreError, StoreFull, VideoNotFound

BUSY_S = 30.0  # one wait for another writer; a transaction of ours lasts milliseconds
BUSY_ROUNDS = 4  # waits in a row before the caller hears of it
CACHE_KIB = 8_192
LONGEST_WRITE_S = 0.5  # that one transaction may hold the write lock: others wait for it meanwhile


@dataclass(frozen=True)
class Held:
    """How long one transaction held the write lock."""

    wall_s: float
    cpu_s: float  # of this thread alone, so a busy machine does not make it longer


class Database:
    """Connections to one file. All SQL runs inside `read()` or `write()`, which speak only of StoreError and its kin.

    Args:
        path: the file; made when missing, its folder must exist.
        busy_s: seconds of one wait for a lock that another process or thread holds.
        vfs: name of a registered apsw VFS, "" for the system's.

    Attributes:
        on_write: called after each write transaction with the time it held the lock; None calls nothing.
        fence: called at the start of each fenced write transaction; it may raise, and then nothing is written.
    """

    on_write: Callable[[Held], None] | None = None
    fence: Callable[[apsw.Connection], None] | None = None

    def __init__(self, path: Path, *, busy_s: float = BUSY_S, vfs: str = "") -> None:
        self.path = path
        self._busy_s = busy_s
        self._vfs = vfs
        self._local = threading.local()
        self._all: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._all_lock = threading.Lock()
        self._closed = False
        self._watch: apsw.Connection | None = None
        self._watch_pid = 0
        self._watch_lock = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """One consistent snapshot. Inside `write()` it is the same transaction."""
        with self._translated():
            connection = self._connection()
            if self._local.mode is not None:
                yield connection
                return
            self._begin(connection, "BEGIN DEFERRED", "read")
            try:
                yield connection
            finally:
                self._end(connection, "ROLLBACK")

    @contextmanager
    def write(
        self, *, durable: bool = False, patience_s: float | None = None, fenced: bool = True
    ) -> Iterator[apsw.Connection]:
        """One transaction that holds the write lock from its start; all of it or nothing is kept.

        Args:
            durable: on the disk itself before this returns, so that even a power cut keeps it. The default may lose
                the last transactions in a power cut, never in the death of a process, and is never left half done.
            patience_s: seconds to wait for the lock, for a caller that retries by itself; None waits as always.
            fenced: False writes even where the fence would refuse.
        """
        with self._translated():
            connection = self._connection()
            if self._local.mode == "write":
                yield connection
                return
            if self._local.mode == "read":
                raise RuntimeError("a write inside a read would deadlock with other writers")
            if durable:
                connection.execute("PRAGMA synchronous=FULL")
            try:
                self._begin(connection, "BEGIN IMMEDIATE", "write", patience_s)
                wall_s, cpu_s = time.perf_counter(), time.thread_time()
                try:
                    if fenced and self.fence is not None:
                        self.fence(connection)
                    yield connection
                except BaseException:
                    self._end(connection, "ROLLBACK")
                    raise
                try:
                    connection.execute("COMMIT")
                finally:
                    self._end(connection, "ROLLBACK")
            finally:
                if durable:
                    connection.execute("PRAGMA synchronous=NORMAL")
            if self.on_write is not None:
                self.on_write(Held(time.perf_counter() - wall_s, time.thread_time() - cpu_s))

    def data_version(self) -> int:
        """A number that changes whenever any process or thread committed; comparable within this process only."""
        with self._translated(), self._watch_lock:
            # SQLite counts the commits of others, so the counting connection must be one that never writes.
            if self._watch is None or self._watch_pid != os.getpid():
                self._watch, self._watch_pid = self._open(), os.getpid()
            return int(self._watch.execute("PRAGMA data_version").get)

    def load_vectors(self, connection: apsw.Connection) -> None:
        """Make vec0 known to this connection, by file path: `import sqlite_vec` would pull in NumPy."""
        if getattr(self._local, "vec0", None) is connection:
            return
        connection.enable_load_extension(True)
        try:
            connection.load_extension(str(vec0_path()))
        except apsw.ExtensionLoadingError as error:
            raise ModelMissing(
                f"sqlite-vec does not load ({error}). Install a sqlite-vec wheel for this platform; "
                "`agent-tools doctor` tries it again."
            ) from error
        finally:
            connection.enable_load_extension(False)
        self._local.vec0 = connection

    def empty_log(self) -> None:
        """Move the log into the file and cut it to nothing; does nothing while others read or write."""
        with self._translated():
            connection = self._connection()
            connection.set_busy_timeout(0)
            try:
                with suppress(apsw.BusyError, apsw.LockedError):
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.set_busy_timeout(int(self._busy_s * 1000))

    def outside(self, statements: str) -> None:
        """Execute what SQLite does not allow inside a transaction, such as VACUUM."""
        with self._translated():
            self._connection().execute(statements).fetchall()

    def close(self) -> None:
        """Close the connections of all threads; later calls raise StoreError."""
        self._closed = True
        with self._all_lock:
            for connection in list(self._all):
                _close(connection)

    def _connection(self) -> apsw.Connection:
        # A forked child must not touch its parent's connections (sqlite.org/howtocorrupt.html, 2.6).
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.connection = self._open()
            self._local.pid = os.getpid()
            self._local.mode = None
        connection: apsw.Connection = self._local.connection
        return connection

    def _open(self) -> apsw.Connection:
        if self._closed:
            raise StoreError(f"The store at {self.path} was closed. Open it again.")
        connection = apsw.Connection(str(self.path), vfs=self._vfs or None)
        try:
            self._set_up(connection)
        except BaseException:
            _close(connection)
            raise
        with self._all_lock:
            self._all.add(connection)
        return connection

    def _set_up(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(int(self._busy_s * 1000))
        deadline = time.monotonic() + self._busy_s * BUSY_ROUNDS
        # Deleted rows are overwritten. A file that is new gives free pages back; an old one would have to be rewritten,
        # and to ask for it would wait for another connection's transaction.
        connection.execute("PRAGMA secure_delete=ON").fetchall()
        if not connection.execute("PRAGMA page_count").get:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        while True:
            try:
                # SQLite does not wait here for another process that is switching to WAL at the same moment.
                connection.execute("PRAGMA journal_mode=WAL")
                break
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        connection.execute(
            "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; "
            f"PRAGMA cache_size=-{CACHE_KIB}"
        )

    def _begin(self, connection: apsw.Connection, statement: str, mode: str, patience_s: float | None = None) -> None:
        rounds = BUSY_ROUNDS if patience_s is None else 1
        if patience_s is not None:
            connection.set_busy_timeout(int(patience_s * 1000))
        try:
            for attempt in range(rounds):
                try:
                    connection.execute(statement)
                    break
                except apsw.BusyError:
                    if attempt == rounds - 1:
                        raise
        finally:
            if patience_s is not None:
                connection.set_busy_timeout(int(self._busy_s * 1000))
        self._local.mode = mode

    def _end(self, connection: apsw.Connection, statement: str) -> None:
        self._local.mode = None
        # A full disk or a broken file has rolled back already.
        if connection.in_transaction:
            connection.execute(statement)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise explained(error, self.path, self._busy_s * BUSY_ROUNDS) from error


def _close(connection: apsw.Connection) -> None:
    # The last to close folds the log into the file. Where that fails the log stays, and the next to open reads it.
    with suppress(apsw.FullError, apsw.IOError):
        connection.close()


def explained(error: apsw.Error, path: Path, waited_s: float) -> StoreError | VideoNotFound:
    """The error of our tree that an apsw error stands for, with the value, the rule and the remedy."""
    extended = getattr(error, "extendedresult", 0)
    if isinstance(error, apsw.FullError) or extended == apsw.SQLITE_IOERR_SHMSIZE:
        return StoreFull(
            f"There is no room left for {path}. Free disk space, or move the data folder with --home; "
            "what was stored before is intact."
        )
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreError(
            f"{path} has been locked by another program for {waited_s:.0f} s. End that program, then retry."
        )
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return StoreError(
            f"{path} is damaged ({error}). Stop every server, keep a copy of the file, then bring back a backup with "
            "`agent-tools restore`, or move the file away and ingest again."
        )
    if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | apsw.PermissionsError | apsw.AuthError):
        return StoreError(
            f"{path} cannot be opened for writing ({error}). Check the folder's permissions or choose another --home."
        )
    if isinstance(error, apsw.ConstraintError) and extended == apsw.SQLITE_CONSTRAINT_FOREIGNKEY:
        return VideoNotFound("The video is not in the store (any more). list_episodes shows the ones there are.")
    if isinstance(error, apsw.IOError):
        return StoreError(f"{path} could not be read or written ({error}). Check the disk, then retry.")
    return StoreError(
        f"{path}: {error}. This is a fault of the program: report it with what `agent-tools doctor` shows."
    )


def vec0_path() -> Path:
    """The loadable file of sqlite-vec, without its suffix.

    Raises: ModelMissing: the package is not installed."""
    spec = importlib.util.find_spec("sqlite_vec")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("vec0.so", "vec0.dylib", "vec0.dll"):
            if (Path(folder) / name).exists():
                return Path(folder) / "vec0"
    raise ModelMissing("sqlite-vec is not installed. Run `pip install sqlite-vec==0.1.9`.")


Clock = Callable[[], float]
