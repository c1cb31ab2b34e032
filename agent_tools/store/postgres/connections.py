"""Connections to a PostgreSQL server, which the threads of a process share.

A connection is not asked whether it still works before it is used: that would be one more round trip for each
transaction. The first message of a transaction finds it out, and goes again over another connection (`first`). Nothing
was done by then, because a transaction and its first statement are one message."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import psycopg
import psycopg_pool
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader

from agent_tools.errors import StoreError

CONNECTIONS = 12  # of one process, at most; more threads wait for one
# So often a server that does not answer is tried again. The pool by itself waits twice as long after each attempt, and
# would find a server that was away for 25 s another 25 s later.
RETRY_S = 1.0
ATTEMPTS = 3  # at the first message of a transaction
PARAMETERS: dict[str, Any] = {
    "autocommit": True,
    "cursor_factory": psycopg.ClientCursor,
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,  # ms; a server that acknowledges nothing for so long counts as gone (Linux)
}

Raw = psycopg.Connection[Any]


class Connections:
    """Args:
    url: as PostgresDatabase.
    place: what names the server in messages.
    wait_s: for a connection."""

    def __init__(self, url: str, place: str, wait_s: float) -> None:
        self._url, self._place, self._wait_s = url, place, wait_s
        self._lock = threading.Lock()
        self._pool: psycopg_pool.ConnectionPool[Raw] | None = None
        self._pid = 0
        self._closed = False

    def take(self) -> Raw:
        """A connection of this thread until it gives it back. Raises: psycopg.OperationalError, StoreError: closed."""
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                return self._opened().getconn(min(RETRY_S, self._wait_s))
            except psycopg_pool.PoolTimeout:
                if time.monotonic() >= deadline:
                    raise

    def give(self, raw: Raw) -> None:
        """Back to the pool, which replaces it where it is broken."""
        if self._pool is not None and self._pid == os.getpid():
            self._pool.putconn(raw)

    def first(self, message: bytes, values: Any = None) -> tuple[Raw, psycopg.Cursor[Any]]:
        """The connection over which a first message went, and what it found; with other connections where one is
        broken. Raises: psycopg.Error."""
        for left in reversed(range(ATTEMPTS)):
            raw = self.take()
            try:
                return raw, raw.execute(message, values)
            except psycopg.OperationalError:
                broken = raw.closed
                _end(raw)
                self.give(raw)
                if not broken or not left:
                    raise
                self._opened().check()  # the others have most probably gone with it
            except BaseException:
                _end(raw)
                self.give(raw)
                raise
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        self._closed = True
        with self._lock:
            if self._pool is not None and self._pid == os.getpid():
                self._pool.close()
            self._pool = None

    def _opened(self) -> psycopg_pool.ConnectionPool[Raw]:
        with self._lock:
            if self._closed:
                raise StoreError(f"The store at {self._place} was closed. Open it again.")
            # A forked child must not use its parent's connections.
            if self._pool is None or self._pid != os.getpid():
                self._pool, self._pid = self._new_pool(), os.getpid()
            return self._pool

    def _new_pool(self) -> psycopg_pool.ConnectionPool[Raw]:
        return psycopg_pool.ConnectionPool(
            self._url,
            min_size=1,
            max_size=CONNECTIONS,
            reconnect_timeout=RETRY_S,
            configure=_configure,
            kwargs=PARAMETERS,
            open=True,
            name="store",
        )


def _end(raw: Raw) -> None:
    """Leave a statement or a transaction that was left in the middle, by a signal for example."""
    if raw.closed:
        return
    if raw.info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
        raw.close()  # it cannot be followed by another one
    elif raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raw.execute("ROLLBACK")


class _Number(Loader):
    """Sums come as numeric: whole numbers stay whole."""

    def load(self, data: Any) -> float:
        text = bytes(data).decode()
        return float(text) if "." in text else int(text)


def _configure(raw: Raw) -> None:
    raw.adapters.register_loader("numeric", _Number)
    raw.adapters.register_loader("json", TextLoader)  # read as in SQLite: by the part that wrote it
