"""Transactions on a PostgreSQL server, with the errors of this program's own tree."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from agent_tools.errors import InvalidArgument, StoreError, StoreFull, StoreUnreachable, VideoNotFound
from agent_tools.store.postgres import changes
from agent_tools.store.postgres.connections import PARAMETERS, Connections
from agent_tools.store.postgres.schema import migrate
from agent_tools.store.postgres.tables import PgvectorTables
from agent_tools.store.postgres.transaction import Transaction
from agent_tools.store.postgres.words import TsvectorWords
from agent_tools.store.sql import Clock, Found, Held, Statement, Values, VectorTables, WordIndex

WAIT_S = 30.0  # for a lock, or for a connection of the pool
CLOCK_S = 60.0  # so long a comparison of the two clocks is used
IDLE_S = 15  # a write that says nothing for so long is undone: a frozen or cut-off client holds no row longer
STATEMENT_S = 120  # of a worker, at most
# A client that is cut off in the middle of a COPY: the server waits for its data inside the statement, where no timeout
# of statements or transactions counts, as long as the line is not closed. It would hold its job's row for ever.
END_CUT_OFF = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname=current_database() AND usename=current_user AND state='active' AND wait_event='ClientRead'
    AND query LIKE 'COPY vectors_%%' AND state_change < clock_timestamp() - make_interval(secs => %s)"""
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
HISTORY = 1_000  # looks that found a change and are remembered


class PostgresDatabase:
    """See sql.Database. Threads take connections from one pool; a lost connection is replaced at the next transaction.

    A read is one snapshot (repeatable read). A write is read committed: who changes a video's rows holds the video's
    own row first (`hold`), so that writers of one video follow each other and writers of many do not wait.

    Every commit is on the server's disk before `write` returns. With asynchronous commits a crash of the server could
    lose the last ones of a worker that goes on as if they were there, and a part of a channel would be missing.

    Args:
        url: postgresql://USER@HOST/NAME, or any form that libpq reads.
        wait_s: seconds of a wait for a lock or a connection."""

    shared = True
    skip_held, keep_held = "FOR UPDATE SKIP LOCKED", "FOR KEY SHARE"
    on_write: Callable[[Held], None] | None = None
    fence: Callable[[Any], None] | None = None

    def __init__(self, url: str, *, wait_s: float = WAIT_S) -> None:
        self.url, self._wait_s = url, wait_s
        self.place = described(url)
        self.words: WordIndex = TsvectorWords()
        self.tables: VectorTables = PgvectorTables()
        self._local = threading.local()
        self._connections = Connections(url, self.place, wait_s)
        self._version_lock = threading.Lock()
        self._mark: changes.Mark | None = None
        self._version, self._pruned_s = 0, time.monotonic()
        # What changed at each version that began after `_since`.
        self._changed: OrderedDict[int, Collection[str]] = OrderedDict()
        self._since = 0
        self._listener: psycopg.Connection[Any] | None = None
        self._clock: tuple[float, float] = (-CLOCK_S, 0.0)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self._translated():
            if (held := self._held()) is not None:
                yield held
                return
            with self._running(SNAPSHOT) as c:
                self._local.writes = False
                yield c

    def ask(self, statement: str, values: Values = (), /) -> Found:
        with self._translated():
            if (held := self._held()) is not None:
                return held.execute(statement, values)
            return self._alone(statement, values)

    def ask_all(self, statements: Sequence[Statement]) -> list[Found]:
        if not statements:
            return []
        with self._translated():
            if (held := self._held()) is not None:
                return held.execute_all(statements)
            made = Transaction(self._connections, SNAPSHOT)
            try:
                return made.execute_all([*statements, ("COMMIT", ())])[:-1]
            except BaseException:
                made.undo()
                raise
            finally:
                made.close()

    @contextmanager
    def write(
        self, *, durable: bool = False, patience_s: float | None = None, fenced: bool = True
    ) -> Iterator[Transaction]:
        with self._translated():
            if (held := self._held()) is not None:
                if not self._local.writes:
                    raise RuntimeError("a write inside a read would not be kept")
                yield held
                return
            wait_ms = int(1000 * (self._wait_s if patience_s is None else patience_s))
            begin = (
                f"BEGIN; SET LOCAL synchronous_commit=on; SET LOCAL lock_timeout={max(1, wait_ms)}; "
                f"SET LOCAL idle_in_transaction_session_timeout='{IDLE_S}s'"
            )
            if fenced and self.fence is not None:
                begin += f"; SET LOCAL statement_timeout='{STATEMENT_S}s'"
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            self._local.version = None  # what this thread wrote it sees at its next look, also within `one_look`
            with self._running(begin) as c:
                self._local.writes = True
                if fenced and self.fence is not None:
                    self.fence(c)
                yield c
            if self.on_write is not None:
                self.on_write(Held(time.perf_counter() - wall_s, time.thread_time() - cpu_s))
            if time.monotonic() - self._pruned_s > changes.PRUNE_S:
                self._pruned_s = time.monotonic()
                changes.prune(self._alone)

    def hold(self, c: Transaction, video_id: str) -> None:
        c.execute("SELECT 1 FROM videos WHERE id=? FOR NO KEY UPDATE", (video_id,))

    def next_version(self, c: Transaction) -> int:
        return int(c.execute("SELECT nextval('vector_version')").get)

    def data_version(self) -> int:
        """Counts the looks that found a commit to a video's rows, by any process."""
        pinned: int | None = getattr(self._local, "version", None)
        return self._look() if pinned is None else pinned

    def changed_since(self, mark: Any) -> tuple[Any, Collection[str] | None]:
        version = self.data_version()
        with self._version_lock:
            if mark is None or mark < self._since:
                return version, None
            return version, {one for at, changed in self._changed.items() if mark < at <= version for one in changed}

    @contextmanager
    def one_look(self, version: int | None = None) -> Iterator[None]:
        before = getattr(self._local, "version", None)
        self._local.version = (self._look() if before is None else before) if version is None else version
        try:
            yield
        finally:
            self._local.version = before

    def _look(self) -> int:
        with self._version_lock:
            with self._translated():
                self._mark, changed = changes.look(self._alone, self._mark)
            if changed is None or changed:
                self._version += 1
            if changed is None:
                self._changed.clear()
                self._since = self._version
            elif changed:
                self._changed[self._version] = changed
                if len(self._changed) > HISTORY:
                    self._since, _ = self._changed.popitem(last=False)
            return self._version

    def wait_for_job(self, most_s: float) -> None:
        """LISTEN on a connection of this process's own: what is said between two waits is kept for the next.

        Who waits also ends what a client that was cut off has left open, so that its job can be taken."""
        with self._translated():
            if self._listener is None or self._listener.closed:
                self._listener = psycopg.connect(self.url, **PARAMETERS)
                self._listener.execute("LISTEN agent_tools_jobs")
                return  # a job may have been queued before anybody listened
            self._listener.execute(END_CUT_OFF.encode(), (IDLE_S,))
            for _ in self._listener.notifies(timeout=most_s, stop_after=1):
                pass

    def now(self) -> float:
        """The server's clock in seconds since 1970, so that leases mean the same on every machine."""
        compared_at, ahead_s = self._clock
        if time.monotonic() - compared_at >= CLOCK_S:
            ahead_s = float(self.ask("SELECT extract(epoch FROM clock_timestamp())::float8").get) - time.time()
            self._clock = time.monotonic(), ahead_s
        return time.time() + ahead_s

    def wipe(self) -> bool:
        """The server's own vacuum overwrites what was deleted."""
        return True

    def keeps_traces(self) -> bool:
        return False

    def rewrite(self) -> None:
        """Nothing of an older program is in a database of this kind."""

    def size_bytes(self) -> int:
        return int(self.ask("SELECT pg_database_size(current_database())").get)

    def faults(self) -> list[str]:
        """PostgreSQL keeps its own rules; what is asked is whether the tables answer."""
        self.ask("SELECT count(*) FROM videos")
        return []

    def backup(self, path: Path) -> None:
        raise InvalidArgument(f"A backup of {self.place} is made by PostgreSQL's own pg_dump, not by this command.")

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._connections.close()

    def migrate(self) -> None:
        """See schema.migrate."""
        with self._translated():
            raw = self._connections.take()
            try:
                migrate(raw, self.place)
            finally:
                self._connections.give(raw)

    def _alone(self, statement: str, values: Values = ()) -> Found:
        """A statement as a transaction of its own, also where the thread is in another one."""
        made = Transaction(self._connections, "")
        try:
            return made.execute(statement, values)
        except BaseException:
            made.undo()
            raise
        finally:
            made.close()

    def _held(self) -> Transaction | None:
        """The transaction that this thread is in."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.transaction = os.getpid(), None
        held: Transaction | None = self._local.transaction
        return held

    @contextmanager
    def _running(self, begin: str) -> Iterator[Transaction]:
        self._local.transaction = made = Transaction(self._connections, begin)
        try:
            yield made
            made.keep()
        except BaseException:
            made.undo()
            raise
        finally:
            self._local.transaction = None
            made.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise explained(error, self.place, self._wait_s) from error


def open_database(url: str, **settings: Any) -> tuple[PostgresDatabase, Clock]:
    """The database at `url`, with its tables made or brought to this program's version; and the server's clock.

    Raises: StoreError: it cannot be reached, or pgvector is missing. StoreTooNew: a newer program wrote it."""
    database = PostgresDatabase(url, **settings)
    try:
        database.migrate()
    except BaseException:
        database.close()
        raise
    return database, database.now


def described(url: str) -> str:
    """The address without its password, for messages."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise InvalidArgument(
            f"{url.partition('@')[2] or url!r} is no address of a database ({error}). "
            "Write postgresql://USER@HOST:PORT/NAME."
        ) from error
    host = parts.get("host", "")
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{host}{port}/{parts.get('dbname', '')}"


def explained(error: psycopg.Error, where: str, waited_s: float) -> StoreError | VideoNotFound:
    """The error of our tree that one of psycopg's stands for, with the value, the rule and the remedy."""
    said = str(error).strip().partition("\n")[0]
    if isinstance(error, pg.ForeignKeyViolation):
        return VideoNotFound("The video is not in the store (any more). list_episodes shows the ones there are.")
    if isinstance(error, pg.DiskFull):
        return StoreFull(
            f"There is no room left on the server of {where}. Free disk space there; what was stored is intact."
        )
    if isinstance(error, pg.LockNotAvailable | pg.DeadlockDetected):
        return StoreError(
            f"{where} has been locked by another program for {waited_s:.0f} s. End that program, then retry."
        )
    if isinstance(error, pg.InsufficientPrivilege | pg.ReadOnlySqlTransaction):
        return StoreError(f"{where} may not be written ({said}). Give the user of --store the right to write there.")
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, pg.IdleInTransactionSessionTimeout)):
        return StoreUnreachable(
            f"{where} cannot be reached ({said}). Check that the server runs and --store names it, then retry."
        )
    return StoreError(
        f"{where}: {said}. This is a fault of the program: report it with what `agent-tools doctor` shows."
    )
