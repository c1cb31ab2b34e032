"""Readings of neighbouring pictures become entries: what stays on screen is one entry with its whole span.

Pure functions over texts and times. Knows nothing of pictures or the store."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

SAME = 0.85  # likeness of two texts at which they are one, read twice


@dataclass(frozen=True)
class Reading:
    """The lines read from one picture, which stood on screen during [start_s, end_s)."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]


@dataclass
class _Open:
    start_s: float
    end_s: float
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " / ".join(self.lines)


def merge_readings(readings: Sequence[Reading]) -> list[tuple[float, float, str]]:
    """(start_s, end_s, text) in time order; readings must be too.

    A reading goes on with the entry before it when it says nearly the same, or repeats all of it and adds lines (a
    slide that grows): then the entry takes the longer text. A picture without text ends the entry before it.
    """
    entries: list[_Open] = []
    current: _Open | None = None
    for reading in readings:
        if not reading.lines:
            current = None
            continue
        if current is not None and reading.start_s <= current.end_s + 1.5 and goes_on(current.lines, reading.lines):
            current.end_s = max(current.end_s, reading.end_s)
            if len(reading.lines) > len(current.lines) or len(" ".join(reading.lines)) > len(" ".join(current.lines)):
                current.lines = list(reading.lines)
            continue
        current = _Open(reading.start_s, reading.end_s, list(reading.lines))
        entries.append(current)
    return [(entry.start_s, entry.end_s, entry.text) for entry in entries]


def goes_on(before: Sequence[str], now: Sequence[str]) -> bool:
    """Whether `now` says nearly the same as `before`, or all of it and more."""
    if _alike(" ".join(before), " ".join(now)):
        return True
    return len(now) > len(before) and all(any(_alike(line, other) for other in now) for line in before)


def _alike(one: str, other: str) -> bool:
    matcher = difflib.SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False)
    return matcher.real_quick_ratio() >= SAME and matcher.quick_ratio() >= SAME and matcher.ratio() >= SAME
