"""Which videos' rows were committed since one looked last, by a log that triggers write (see schema.py).

A row of the log has the number of its transaction. Numbers are given when a transaction begins to write, not when it
ends, so the next look starts at the least one that was still open, and leaves out what it has seen."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from agent_tools.store.sql import Ask

FRESH_S = 300.0  # a look that is older does not ask the log
KEPT_S = 1800  # the log's rows, so that a transaction that took long is found too
PRUNE_S = 600.0  # between two times at which this process removes older ones

_SINCE = """SELECT pg_snapshot_xmin(pg_current_snapshot())::text,
    CASE WHEN ?1 IS NULL THEN ARRAY[]::text[]
    ELSE ARRAY(SELECT xid::text || ' ' || video_id FROM changes WHERE xid >= ?1::text::xid8) END"""


@dataclass(frozen=True)
class Mark:
    """What was seen at a look: the least transaction that was open, and what has a greater number."""

    xmin: str
    seen: frozenset[str]
    at_s: float  # of the monotonic clock


def look(ask: Ask, mark: Mark | None) -> tuple[Mark, Collection[str] | None]:
    """The mark of now, and the videos that changed since the other one; None where it is too old to tell."""
    now_s = time.monotonic()
    known = mark if mark is not None and now_s - mark.at_s < FRESH_S else None
    row: Any = ask(_SINCE, (known and known.xmin,)).fetchone()
    seen = frozenset(row[1])
    changed = None if known is None else {one.partition(" ")[2] for one in seen - known.seen}
    return Mark(row[0], seen, now_s), changed


def prune(ask: Ask) -> None:
    """Remove the log's old rows."""
    ask("DELETE FROM changes WHERE at < clock_timestamp() - make_interval(secs => ?)", (KEPT_S,))
