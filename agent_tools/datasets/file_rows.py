"""A data set's file, object by object; an error about a field names the file, the place, the key and the rule."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from agent_tools.errors import InvalidArgument
from agent_tools.untrusted import clean

LETTERS = "ABCDEFGHIJ"  # of options
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[\]}])')
_SHOWN = 60  # characters of a wrong value that an error shows


class Row:
    """One object of a file. Its methods read fields; an error names the file, the place, the key and the rule."""

    def __init__(self, path: Path, where: str, data: Any) -> None:
        self._path, self._where = path, where
        if not isinstance(data, dict):
            raise self.wrong("", "must be an object", data)
        self.data: Mapping[str, Any] = data

    def wrong(self, key: str, rule: str, value: Any) -> InvalidArgument:
        found = "is missing" if value is None else f"is {clean(repr(value), _SHOWN)}"
        named = f"key {key!r} " if key else ""
        return InvalidArgument(f"{self._path.name}, {self._where}: {named}{found}; it {rule}.")

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # ids are numbers in some releases
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "must be a text", value)
        return value.strip()

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key)
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise self.wrong(key, "must be a list of texts", value)
        return tuple(str(part).strip() for part in value)

    def place(self, key: str, count: int) -> int:
        value = self.data.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
            raise self.wrong(key, f"must be the number of an option, 0 to {count - 1}", value)
        return value

    def options(self, found: Sequence[str], key: str) -> tuple[str, ...]:
        if not 2 <= len(found) <= len(LETTERS):
            raise self.wrong(key, f"must hold 2 to {len(LETTERS)} options", list(found))
        return tuple(found)

    def seconds(self, key: str) -> float:
        value = self.data.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(key, "must be a number of seconds", value)
        return float(value)

    def letter(self, key: str, count: int) -> str:
        value = self.text(key).strip("(). ").upper()
        if len(value) != 1 or value not in LETTERS[:count]:
            raise self.wrong(key, f"must be a letter, A to {LETTERS[count - 1]}", self.data[key])
        return value

    def span(self, key: str) -> tuple[float, float]:
        value = self.data.get(key)
        if not is_span(value):
            raise self.wrong(key, "must be [start_s, end_s], both numbers, the end not before the start", value)
        return float(value[0]), float(value[1])

    def spans(self, key: str) -> tuple[tuple[float, float], ...]:
        value = self.data.get(key)
        if not isinstance(value, list) or not all(map(is_span, value)):
            raise self.wrong(key, "must be a list of [start_s, end_s]", value)
        return tuple((float(start_s), float(end_s)) for start_s, end_s in value)

    def has(self, *keys: str) -> bool:
        """Whether a field of any of these names holds something."""
        return any(self.data.get(key) not in (None, "") for key in keys)


def found_file(data: Path, *patterns: str) -> Path:
    """The file itself, or the first in a folder that fits a pattern. Raises: InvalidArgument."""
    if data.is_file():
        return data
    for pattern in patterns:
        for path in sorted(data.glob(pattern)) if data.is_dir() else ():
            return path
    raise InvalidArgument(f"No data at {data}. Give the benchmark's own file, or a folder with {' or '.join(patterns)}")


def read_json(path: Path, trailing_commas: bool = False) -> Any:
    """The JSON in a file. Raises: InvalidArgument with the line where it breaks off."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            if not trailing_commas:
                raise
            return json.loads(_TRAILING_COMMA.sub(lambda match: match[1] or "", text))
    except json.JSONDecodeError as error:
        raise InvalidArgument(f"{path.name}, line {error.lineno}: not JSON ({error.msg}).") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} cannot be read as text: {error}") from error


def read_lines(path: Path) -> Iterator[Row]:
    """The objects of a file with one JSON object a line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} cannot be read as text: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield Row(path, f"line {number}", json.loads(line))
            except json.JSONDecodeError as error:
                raise InvalidArgument(f"{path.name}, line {number}: not JSON ({error.msg}).") from error


def rows_of(path: Path, value: Any) -> Iterator[Row]:
    """The objects of a list, each with its number. Raises: InvalidArgument: no list."""
    if not isinstance(value, list):
        raise InvalidArgument(f"{path.name} holds {type(value).__name__}; it must be a list of objects.")
    for number, data in enumerate(value):
        yield Row(path, f"item {number}", data)


def is_span(value: Any) -> TypeGuard[list[float]]:
    """Whether a value is two finite numbers in their order."""
    numbers = isinstance(value, list) and len(value) == 2 and all(type(part) in (int, float) for part in value)
    return numbers and all(map(math.isfinite, value)) and 0 <= value[0] <= value[1]
