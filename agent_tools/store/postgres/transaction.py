"""One transaction on a PostgreSQL server, in as few round trips as its statements allow."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg.pq import TransactionStatus

from agent_tools.store.postgres.connections import Connections, Raw
from agent_tools.store.postgres.dialect import translated
from agent_tools.store.sql import Found, Statement, Values


class Transaction:
    """See sql.Sql. It begins with its first statement, in the same message; without one it costs nothing.

    Args:
        begin: SQL before the first statement; "" for a statement that is a transaction of its own."""

    def __init__(self, connections: Connections, begin: str) -> None:
        self._connections, self._begin = connections, begin
        self._raw: Raw | None = None
        self._changed = 0

    @property
    def raw(self) -> Raw:
        """psycopg's connection, with the transaction begun: for what is not SQL."""
        if self._raw is None:
            self._raw, _ = self._connections.first(self._begin.encode())
        return self._raw

    def execute(self, statement: str, values: Values = (), /) -> Found:
        return self.execute_all([(statement, values)])[0]

    def execute_all(self, statements: Sequence[Statement]) -> list[Found]:
        """What each of them finds, in one message."""
        if not statements:
            return []
        made = [(translated(sql, f"{at}_" if at else ""), values) for at, (sql, values) in enumerate(statements)]
        message = ";\n".join(one.sql for one, _ in made).encode()
        bound = {name: value for one, values in made for name, value in one.bound(values).items()}
        if self._raw is not None:
            cursor = self._raw.execute(message, bound)
        else:
            begin = f"{self._begin};\n".encode() if self._begin else b""
            self._raw, cursor = self._connections.first(begin + message, bound)
        found = []
        while True:
            found.append(Found(cursor.fetchall() if cursor.description else []))
            self._changed = max(cursor.rowcount, 0)
            if not cursor.nextset():
                return found[-len(statements) :]  # the others are those of `begin`

    def executemany(self, statement: str, rows: Sequence[Values], /) -> None:
        made = translated(statement)
        with self.raw.cursor() as cursor:
            cursor.executemany(made.sql.encode(), [made.bound(row) for row in rows])

    def changes(self) -> int:
        return self._changed

    def keep(self) -> None:
        """Commit. Raises: psycopg.Error: nothing is kept, or the connection broke at this moment."""
        if self._raw is not None and self._begin:
            self._raw.execute("COMMIT")

    def undo(self) -> None:
        if self._raw is None:
            return
        if self._raw.info.transaction_status == TransactionStatus.ACTIVE:
            self._raw.close()  # a statement that was left in the middle cannot be followed by another one
        with suppress(psycopg.Error):  # what ended the transaction is said, not that the connection is gone too
            self._raw.execute("ROLLBACK")

    def close(self) -> None:
        """Give the connection back."""
        raw, self._raw = self._raw, None
        if raw is not None:
            self._connections.give(raw)
