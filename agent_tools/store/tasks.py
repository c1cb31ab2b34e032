"""Tasks of the MCP extension as rows, so that any server of a store answers for a task of any other.

The server that runs a task renews its lease on it. When that server is gone, the next one that is asked takes over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent_tools.store.part import Part, to_json
from agent_tools.store.sql import Sql


@dataclass(frozen=True)
class TaskRow:
    """A task as its server last wrote it."""

    id: str
    owner: str
    tool: str
    arguments: dict[str, Any]
    view: dict[str, Any]  # as the wire shows it
    settled: bool
    names: tuple[str, ...]  # of work that goes on beside it; a cancel stops it
    answers: dict[str, Any]  # that came in through any server
    held: bool  # whether a server runs it


class TaskRows(Part):
    """Rows of tasks; a task that nobody asked for until it expired is removed."""

    def add_task(
        self,
        number: str,
        owner: str,
        tool: str,
        arguments: Mapping[str, Any],
        view: Mapping[str, Any],
        runner: str,
        lease_s: float,
        ttl_s: float,
    ) -> None:
        """Keep a task that a server begins to run.

        Args:
            runner: the server, for its own later calls.
            ttl_s: after its last change it is kept for so long."""
        with self.db.write() as c:
            now = self.now()
            c.execute("DELETE FROM tasks WHERE expires_at <= ?", (now,))
            c.execute(
                """INSERT INTO tasks(id, owner, tool, arguments, view, runner, runner_until, expires_at)
                   VALUES(?, ?, ?, ?, ?, ?, ?, ?)""",
                (number, owner, tool, to_json(arguments), to_json(view), runner, now + lease_s, now + ttl_s),
            )

    def task(self, number: str) -> TaskRow | None:
        """A task that has not expired."""
        with self.db.read() as c:
            return _read(c, number, self.now())

    def tell_task(
        self, number: str, runner: str, view: Mapping[str, Any], names: Iterable[str], lease_s: float, ttl_s: float
    ) -> TaskRow | None:
        """What its server says of a task; renews the lease. None: it has ended, or another server runs it."""
        with self.db.write() as c:
            now = self.now()
            c.execute(
                """UPDATE tasks SET view=?, names=?, runner_until=?, expires_at=?
                   WHERE id=? AND runner=? AND settled=0""",
                (to_json(view), to_json(sorted(names)), now + lease_s, now + ttl_s, number, runner),
            )
            return _read(c, number, now) if c.changes() else None

    def end_task(self, number: str, view: Mapping[str, Any], ttl_s: float) -> bool:
        """Settle a task, by whichever server. False: it had ended before, and stays as it was."""
        with self.db.write() as c:
            c.execute(
                "UPDATE tasks SET view=?, settled=1, expires_at=? WHERE id=? AND settled=0",
                (to_json(view), self.now() + ttl_s, number),
            )
            return c.changes() > 0

    def take_task(self, number: str, runner: str, lease_s: float) -> bool:
        """Take over a task that no server runs any more. False: one does, or it has ended."""
        with self.db.write() as c:
            now = self.now()
            c.execute(
                "UPDATE tasks SET runner=?, runner_until=? WHERE id=? AND settled=0 AND runner_until <= ?",
                (runner, now + lease_s, number, now),
            )
            return c.changes() > 0

    def answer_task(self, number: str, answers: Mapping[str, Any]) -> None:
        """Keep answers to a task's questions for the server that runs it."""
        with self.db.write() as c:
            row = c.execute("SELECT answers FROM tasks WHERE id=?", (number,)).fetchone()
            if row is not None:
                merged = to_json({**json.loads(row[0]), **answers})
                c.execute("UPDATE tasks SET answers=? WHERE id=?", (merged, number))

    def drop_task(self, number: str) -> None:
        """Forget a task."""
        with self.db.write() as c:
            c.execute("DELETE FROM tasks WHERE id=?", (number,))


def _read(c: Sql, number: str, now: float) -> TaskRow | None:
    row = c.execute(
        """SELECT id, owner, tool, arguments, view, settled, names, answers, runner_until > ? FROM tasks
           WHERE id=? AND expires_at > ?""",
        (now, number, now),
    ).fetchone()
    if row is None:
        return None
    number, owner, tool, arguments, view, settled, names, answers, held = row
    parsed = json.loads
    return TaskRow(
        *(number, owner, tool, parsed(arguments), parsed(view)),
        settled=bool(settled),
        names=tuple(parsed(names)),
        answers=parsed(answers),
        held=bool(held),
    )
