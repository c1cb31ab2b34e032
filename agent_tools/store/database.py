"""One SQLite file: a connection per thread, transactions, waiting for locks, and errors of this program's own tree.

schema.py holds the tables."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import apsw

from agent_tools.errors import StoreError, StoreFull, VideoNotFound
from agent_tools.store.fts5 import INSTANCES, Fts5Words
from agent_tools.store.sql import Found, Held, Statement, Values, VectorTables, WordIndex
from agent_tools.store.vec0 import Vec0Tables

BUSY_S = 30.0  # one wait for another writer; a transaction of ours lasts milliseconds
LOOK_S = 0.5  # between two looks for a job
BUSY_ROUNDS = 4  # waits in a row before the caller hears of it
MERGED_PAGES = 200  # of the word index, in one transaction
LOG_KEPT_BYTES = (
    16 << 20
)  # of the log's file, once nobody reads it: beside a long backup it grows with all that is written
FREED_PAGES = 2_000  # given back to the system in one transaction
READERS_S, READERS_LOOK_S = 2.0, 0.05  # how long, and how often, readers of the log are waited for
INCREMENTAL = 2  # value of PRAGMA auto_vacuum
LONGEST_WRITE_S = 0.5  # that one transaction may hold the write lock: others wait for it meanwhile


class SqliteDatabase:
    """Connections to one file; see sql.Database.

    All SQL runs inside `read()` or `write()`, which speak only of StoreError and its kin.

    Args:
        path: the file; made when missing, its folder must exist.
        busy_s: seconds of one wait for a lock that another process or thread holds.
        vfs: name of a registered apsw VFS, "" for the system's.

    Attributes:
        on_write: called after each write transaction with the time it held the lock; None calls nothing.
        fence: called at the start of each fenced write transaction; it may raise, and then nothing is written.
    """

    shared = False
    skip_held = keep_held = ""  # one writer at a time: nothing is held
    on_write: Callable[[Held], None] | None = None
    fence: Callable[[apsw.Connection], None] | None = None

    def __init__(self, path: Path, *, busy_s: float = BUSY_S, vfs: str = "") -> None:
        self.path, self.place = path, str(path)
        self.words: WordIndex = Fts5Words()
        self.tables: VectorTables = Vec0Tables()
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

    def ask(self, statement: str, values: Values = (), /) -> Found:
        with self.read() as c:
            return Found(c.execute(statement, values).fetchall())

    def ask_all(self, statements: Sequence[Statement]) -> list[Found]:
        with self.read() as c:
            return [Found(c.execute(statement, values).fetchall()) for statement, values in statements]

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

    def changed_since(self, mark: Any) -> tuple[Any, Collection[str] | None]:
        version = self.data_version()
        return version, () if version == mark else None

    def one_look(self, version: int | None = None) -> AbstractContextManager[None]:
        """A look costs nothing here."""
        return nullcontext()

    def wait_for_job(self, most_s: float) -> None:
        """SQLite tells nobody; so it is a short sleep."""
        time.sleep(min(most_s, LOOK_S))

    def hold(self, c: apsw.Connection, video_id: str) -> None:
        """SQLite has one writer at a time."""

    def next_version(self, c: apsw.Connection) -> int:
        return int(c.execute("UPDATE counters SET value=value + 1 WHERE name='version' RETURNING value").get)

    def wipe(self) -> bool:
        """Remove the traces of what was deleted: merge the word index, give free pages back, empty the log.

        In short transactions. It waits a moment for readers of the log.
        Returns: whether no trace is left; False where a reader keeps the log in use: then the next call empties it, or
            the last process to close. Raises: StoreError: the disk is full or the file is locked."""
        merged = -MERGED_PAGES  # a negative first step asks for the whole index, not for what merges by itself
        while True:
            with self.write() as c:
                before = c.total_changes()
                c.execute("INSERT INTO words(words, rank) VALUES('merge', ?)", (merged,))
                if c.total_changes() - before < 2:  # so FTS5 says that nothing was left to merge
                    break
            merged = MERGED_PAGES
        while True:
            with self.write() as c:
                free = int(c.execute("PRAGMA freelist_count").get)
                if not free or int(c.execute("PRAGMA auto_vacuum").get) != INCREMENTAL:
                    break
                c.execute(f"PRAGMA incremental_vacuum({FREED_PAGES})").fetchall()
        ends_s = time.monotonic() + READERS_S
        while not (emptied := self.empty_log()) and time.monotonic() < ends_s:
            time.sleep(READERS_LOOK_S)
        return emptied

    def keeps_traces(self) -> bool:
        with self.read() as c:
            return int(c.execute("PRAGMA auto_vacuum").get) != INCREMENTAL

    def rewrite(self) -> None:
        """Raises: StoreError: the file is locked. StoreFull: it takes as much room again as the file has."""
        self.outside(f"PRAGMA auto_vacuum={INCREMENTAL}; VACUUM")
        self.wipe()

    def size_bytes(self) -> int:
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        return sum(file.stat().st_size for file in files if file.exists())

    def faults(self) -> list[str]:
        with self.read() as c:
            faults = [row[0] for row in c.execute("PRAGMA integrity_check") if row[0] != "ok"]
            return faults + [
                f"{row[0]} row {row[1]} points at no {row[2]}" for row in c.execute("PRAGMA foreign_key_check")
            ]

    def backup(self, path: Path) -> None:
        """Copy the whole store into a new file, while others go on reading and writing.

        Raises: StoreFull, StoreError."""
        part = path.with_name(path.name + ".part")
        part.unlink(missing_ok=True)
        with self.read() as c:
            try:
                target = apsw.Connection(str(part))
                try:
                    with target.backup("main", c, "main") as copy:
                        while not copy.done:
                            copy.step(1_000)
                    target.execute("PRAGMA journal_mode=DELETE")
                finally:
                    target.close()
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)

    def empty_log(self) -> bool:
        """Move the log into the file and cut it to nothing. False while others read or write: then nothing is cut."""
        with self._translated():
            connection = self._connection()
            connection.set_busy_timeout(0)
            try:
                found = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                return found is not None and not found[0]  # (busy, pages in the log, pages moved)
            except (apsw.BusyError, apsw.LockedError):
                return False
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
            f"PRAGMA journal_size_limit={LOG_KEPT_BYTES}"
        ).fetchall()
        connection.execute(INSTANCES)

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
