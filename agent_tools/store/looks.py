"""What callers of a shared store have searched and looked at, for the servers that give them hints."""

from __future__ import annotations

import json
from collections.abc import Iterable

from agent_tools.store.part import Part, to_json
from agent_tools.store.sql import Clock, Database, Sql
from agent_tools.timeline import Span

KEPT_S = 86_400.0  # of a caller that comes back later nothing is known
PRUNE_S = 600.0  # between two times at which a process removes what is older


class Looks(Part):
    """Rows of searches and of spans that were shown, by caller. Old ones are removed now and then."""

    def __init__(self, db: Database, now: Clock) -> None:
        super().__init__(db, now)
        self._pruned: dict[str, float] = {}  # by table, when this process removed old rows

    def add_search(self, caller: str, hits: Iterable[tuple[str, int]]) -> None:
        """Keep the hits (video, second) of a caller's search."""
        with self.db.write() as c:
            now = self._prune(c, "searches")
            c.execute("INSERT INTO searches(caller, hits, at) VALUES(?, ?, ?)", (caller, to_json(sorted(hits)), now))

    def last_searches(self, caller: str, count: int) -> list[frozenset[tuple[str, int]]]:
        """The hits of the caller's last searches, the newest first."""
        rows = self.db.ask("SELECT hits FROM searches WHERE caller=? ORDER BY n DESC LIMIT ?", (caller, count))
        return [frozenset((video, second) for video, second in json.loads(row[0])) for row in rows]

    def add_look(self, caller: str, video_id: str, span: Span) -> None:
        """Keep that a span was shown to a caller."""
        with self.db.write() as c:
            now = self._prune(c, "looks")
            c.execute(
                "INSERT INTO looks(caller, video_id, start_s, end_s, at) VALUES(?, ?, ?, ?, ?)",
                (caller, video_id, span.start_s, span.end_s, now),
            )

    def looks(self, caller: str, video_id: str) -> list[Span]:
        """The spans of a video that were shown to a caller."""
        rows = self.db.ask("SELECT start_s, end_s FROM looks WHERE caller=? AND video_id=?", (caller, video_id))
        return [Span(row[0], row[1]) for row in rows]

    def _prune(self, c: Sql, table: str) -> float:
        """Remove rows that are too old, where it is time again. Returns: the time."""
        now = self.now()
        if now - self._pruned.get(table, now - PRUNE_S) >= PRUNE_S:
            self._pruned[table] = now
            c.execute(f"DELETE FROM {table} WHERE at <= ?", (now - KEPT_S,))  # noqa: S608 - our own names
        return now
