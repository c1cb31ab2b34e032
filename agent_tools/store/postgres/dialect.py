"""The parts' SQL as PostgreSQL reads it. Three things differ: how values are marked, how one asks for membership in a
list that is bound as one value, and how one reads a list of whole numbers as rows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_TOKENS = re.compile(
    r"""(?P<text>'(?:[^']|'')*') | (?P<among>IN\s*\(SELECT\s+value\s+FROM\s+json_each\(\?(?P<list>\d*)\)\))
        | FROM\s+json_each\(\?(?P<rows>\d*)\)\s+(?P<alias>\w+) | \?(?P<number>\d*) | (?P<percent>%)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Statement:
    """SQL with named values, and which of these are lists.

    Attributes:
        mark: what each name begins with."""

    sql: str
    lists: frozenset[str]
    mark: str = ""

    def bound(self, values: Sequence[Any]) -> dict[str, Any]:
        """The values by name: truth values as 0 and 1, lists out of their JSON, text without NUL, which no column
        can hold."""
        names = [f"{self.mark}{at}" for at in range(1, len(values) + 1)]
        return {name: self._value(name, value) for name, value in zip(names, values, strict=True)}

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, bool):
            return int(value)
        if name in self.lists and isinstance(value, str):
            return json.loads(value)
        return value.replace("\0", "\ufffd") if isinstance(value, str) else value


@lru_cache(maxsize=512)
def translated(statement: str, mark: str = "") -> Statement:
    """A statement of the parts; their values stand as `?`, counted from 1, or as `?n`.

    Args:
        mark: for the names of values, so that statements of one message have different ones."""
    lists: set[str] = set()
    counted = 0

    def name(digits: str) -> str:
        nonlocal counted
        if digits:
            return mark + digits
        counted += 1
        return f"{mark}{counted}"

    def replace(found: re.Match[str]) -> str:
        if found["text"] is not None:
            return found["text"].replace("%", "%%")
        if found["percent"]:
            return "%%"
        if found["among"] is not None:
            lists.add(one := name(found["list"]))
            return f"= ANY(%({one})s)"
        if found["alias"] is not None:
            lists.add(one := name(found["rows"]))
            return f"FROM unnest(%({one})s::bigint[]) WITH ORDINALITY {found['alias']}(value, key)"
        return f"%({name(found['number'])})s"

    return Statement(_TOKENS.sub(replace, statement), frozenset(lists), mark)
