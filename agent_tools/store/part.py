"""What all parts of the store share: the database, the clock, and how values become columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from agent_tools.store.sql import Clock, Database


class Part:
    """The rows of one kind. Each part of a store has the same database and the same clock, and no other state of it."""

    def __init__(self, db: Database, now: Clock) -> None:
        self.db, self.now = db, now


def storable(text: str) -> str:
    """The text without what no engine can hold: "?" for a lone surrogate, U+FFFD for NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def to_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def written_fields(value: Any) -> dict[str, Any]:
    """The fields of a frozen value that are not at their default, for a column of JSON."""
    return {f.name: held for f in fields(value) if (held := getattr(value, f.name)) != f.default}


def read_fields(kind: Any, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Of what `written_fields` stored, the fields that the frozen value `kind` has; other versions may have others."""
    names = {f.name for f in fields(kind)}
    return {name: tuple(held) if isinstance(held, list) else held for name, held in stored.items() if name in names}


def json_list(values: Iterable[Any]) -> str:
    """For `IN (SELECT value FROM json_each(?))`: a list of any length in one bound value."""
    return json.dumps(list(values))


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
