"""Transactions on a PostgreSQL server, with the errors of this program's own tree."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import psycopg_pool
from psycopg import errors as pg
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from agent_tools.errors import InvalidArgument, StoreError, StoreFull, StoreUnreachable, VideoNotFound
from agent_tools.store.postgres import changes
from agent_tools.store.postgres.dialect import translated
from agent_tools.store.postgres.schema import migrate
from agent_tools.store.postgres.tables import PgvectorTables
from agent_tools.store.postgres.words import TsvectorWords
from agent_tools.store.sql import Clock, Held, Values, VectorTables, WordIndex

WAIT_S = 30.0  # for a lock, or for a connection of the pool
CONNECTIONS = 12  # of one process, at most; more threads wait for one
CLOCK_S = 60.0  # so long a comparison of the two clocks is used
IDLE_S = 15  # a write that says nothing for so long is undone: a frozen or cut-off client holds no row longer
STATEMENT_S = 120  # of a worker, at most: one that is cut off in the middle of its data holds no row longer
CONNECTION: dict[str, Any] = {
    "autocommit": True,
    "cursor_factory": psycopg.ClientCursor,
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,  # ms; a server that acknowledges nothing for so long counts as gone (Linux)
}


class Found:
    """What a statement found, see sql.Rows."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows, self._at = rows, 0

    def fetchone(self) -> Any:
        self._at += 1
        return self._rows[self._at - 1] if self._at <= len(self._rows) else None

    def fetchall(self) -> list[Any]:
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    @property
    def get(self) -> Any:
        row = self.fetchone()
        return row[0] if row is not None and len(row) == 1 else row


class Transaction:
    """See sql.Sql.

    Attributes:
        raw: psycopg's connection, for what is not SQL."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self._changed = 0

    def execute(self, statement: str, values: Values = (), /) -> Found:
        made = translated(statement)
        cursor = self.raw.execute(made.sql.encode(), made.bound(values))
        self._changed = max(cursor.rowcount, 0)
        return Found(cursor.fetchall() if cursor.description else [])

    def executemany(self, statement: str, rows: Sequence[Values], /) -> None:
        made = translated(statement)
        with self.raw.cursor() as cursor:
            cursor.executemany(made.sql.encode(), [made.bound(row) for row in rows])

    def changes(self) -> int:
        return self._changed


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
        self._lock, self._version_lock = threading.Lock(), threading.Lock()
        self._pool: psycopg_pool.ConnectionPool[psycopg.Connection[Any]] | None = None
        self._pid = 0
        self._closed = False
        self._mark: changes.Mark | None = None
        self._version, self._pruned_s = 0, time.monotonic()
        self._listener: psycopg.Connection[Any] | None = None
        self._clock: tuple[float, float] = (-CLOCK_S, 0.0)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self._translated():
            if (held := self._held()) is not None:
                yield held
                return
            with self._connection() as raw, self._running(raw, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as c:
                self._local.writes = False
                yield c

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
            with self._connection() as raw:
                wait_ms = int(1000 * (self._wait_s if patience_s is None else patience_s))
                begin = (
                    f"BEGIN; SET LOCAL synchronous_commit=on; SET LOCAL lock_timeout={max(1, wait_ms)}; "
                    f"SET LOCAL idle_in_transaction_session_timeout='{IDLE_S}s'"
                )
                if fenced and self.fence is not None:
                    begin += f"; SET LOCAL statement_timeout='{STATEMENT_S}s'"
                wall_s, cpu_s = time.perf_counter(), time.thread_time()
                with self._running(raw, begin) as c:
                    self._local.writes = True
                    if fenced and self.fence is not None:
                        self.fence(c)
                    yield c
            if self.on_write is not None:
                self.on_write(Held(time.perf_counter() - wall_s, time.thread_time() - cpu_s))
            if time.monotonic() - self._pruned_s > changes.PRUNE_S:
                self._pruned_s = time.monotonic()
                with self._connection() as raw:
                    changes.prune(raw)

    def hold(self, c: Transaction, video_id: str) -> None:
        c.execute("SELECT 1 FROM videos WHERE id=? FOR NO KEY UPDATE", (video_id,))

    def next_version(self, c: Transaction) -> int:
        return int(c.execute("SELECT nextval('vector_version')").get)

    def data_version(self) -> int:
        """Counts the looks that found a commit to a video's rows, by any process."""
        with self._version_lock:
            self._mark, changed = self.changed_since(self._mark)
            self._version += changed is None or bool(changed)
            return self._version

    def changed_since(self, mark: Any) -> tuple[Any, Collection[str] | None]:
        with self._translated(), self._connection() as raw:
            return changes.look(raw, mark)

    def wait_for_job(self, most_s: float) -> None:
        """LISTEN on a connection of this process's own: what is said between two waits is kept for the next."""
        with self._translated():
            if self._listener is None or self._listener.closed:
                self._listener = psycopg.connect(self.url, **CONNECTION)
                self._listener.execute("LISTEN agent_tools_jobs")
                return  # a job may have been queued before anybody listened
            for _ in self._listener.notifies(timeout=most_s, stop_after=1):
                pass

    def now(self) -> float:
        """The server's clock in seconds since 1970, so that leases mean the same on every machine."""
        compared_at, ahead_s = self._clock
        if time.monotonic() - compared_at >= CLOCK_S:
            with self._translated(), self._connection() as raw:
                row = raw.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            ahead_s = float(row[0]) - time.time() if row is not None else 0.0
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
        with self.read() as c:
            return int(c.execute("SELECT pg_database_size(current_database())").get)

    def faults(self) -> list[str]:
        """PostgreSQL keeps its own rules; what is asked is whether the tables answer."""
        with self.read() as c:
            c.execute("SELECT count(*) FROM videos")
        return []

    def backup(self, path: Path) -> None:
        raise InvalidArgument(f"A backup of {self.place} is made by PostgreSQL's own pg_dump, not by this command.")

    def close(self) -> None:
        self._closed = True
        if self._listener is not None:
            self._listener.close()
        with self._lock:
            if self._pool is not None and self._pid == os.getpid():
                self._pool.close()
            self._pool = None

    def _held(self) -> Transaction | None:
        """The transaction that this thread is in."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.pid, self._local.transaction = os.getpid(), None
        held: Transaction | None = self._local.transaction
        return held

    @contextmanager
    def _running(self, raw: psycopg.Connection[Any], begin: str) -> Iterator[Transaction]:
        raw.execute(begin.encode())
        self._local.transaction = made = Transaction(raw)
        try:
            yield made
        except BaseException:
            # A statement that was left in the middle, by a signal for example, cannot be followed by another one.
            if raw.info.transaction_status == TransactionStatus.ACTIVE:
                raw.close()
            with suppress(psycopg.Error):  # what ended the transaction is said, not that the connection is gone too
                raw.execute("ROLLBACK")
            raise
        else:
            raw.execute("COMMIT")
        finally:
            self._local.transaction = None

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            if self._closed:
                raise StoreError(f"The store at {self.place} was closed. Open it again.")
            # A forked child must not use its parent's connections.
            if self._pool is None or self._pid != os.getpid():
                self._pool, self._pid = self._new_pool(), os.getpid()
            pool = self._pool
        with pool.connection() as raw:
            yield raw

    def _new_pool(self) -> psycopg_pool.ConnectionPool[psycopg.Connection[Any]]:
        return psycopg_pool.ConnectionPool(
            self.url,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=self._wait_s,
            reconnect_timeout=self._wait_s,
            check=psycopg_pool.ConnectionPool.check_connection,
            configure=_configure,
            kwargs=CONNECTION,
            open=True,
            name="store",
        )

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
        with database._translated(), database._connection() as raw:
            migrate(raw, database.place)
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


class _Number(Loader):
    """Sums come as numeric: whole numbers stay whole."""

    def load(self, data: Any) -> float:
        text = bytes(data).decode()
        return float(text) if "." in text else int(text)


def _configure(raw: psycopg.Connection[Any]) -> None:
    raw.adapters.register_loader("numeric", _Number)
    raw.adapters.register_loader("json", TextLoader)  # read as in SQLite: by the part that wrote it
