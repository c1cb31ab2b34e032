"""What all parts of the store share: the database, the clock, and how values become columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from agent_tools.store.database import Clock, Database


class Part:
    """The rows of one kind. Each part of a store has the same database and the same clock, and no other state of it."""

    def __init__(self, db: Database, now: Clock) -> None:
        self.db, self.now = db, now


def storable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot hold, replaced by "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def json_list(values: Iterable[Any]) -> str:
    """For `IN (SELECT value FROM json_each(?))`: a list of any length in one bound value."""
    return json.dumps(list(values))


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
