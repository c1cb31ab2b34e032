"""Readings of neighbouring pictures become entries: what stays on screen is one entry with its whole span.

Pure functions over texts and times."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent_tools.ingestion.screen_text.trust import Box

SAME = 0.85  # likeness of two lines at which they are one, read twice
TELLING = 5  # letters from which a line counts: shorter ones (icons, clocks, page numbers) come and go with noise
GROWS_S = 5.0  # lines that came this long after an entry began still belong to it: its start is off by no more
_LETTER = re.compile(r"[^\W\d_]")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Reading:
    """The lines read from one picture, which stood on screen during [start_s, end_s)."""

    start_s: float
    end_s: float
    lines: tuple[str, ...]
    boxes: tuple[Box, ...] = ()  # of each line; empty where nobody asks where the lines stand
    score: float = 1.0  # how sure the OCR is of the lines, 0..1, by their letters


@dataclass
class ShownText:
    """What stood on screen during [start_s, end_s): its lines, with the box of each where the readings have boxes."""

    start_s: float
    end_s: float
    lines: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    score: float = 1.0

    @property
    def text(self) -> str:
        return " / ".join(self.lines)


def merge_readings(readings: Sequence[Reading]) -> list[ShownText]:
    """The texts in time order; readings must be too.

    A reading goes on with the entry before it when both hold the same lines, or when it adds lines within GROWS_S of
    the entry's start (a slide that builds up): then the entry takes the longer text. Lines are compared one by one,
    because slides of one template differ in their titles alone. A picture without text ends the entry before it.
    """
    entries: list[ShownText] = []
    current: ShownText | None = None
    for reading in readings:
        if not reading.lines:
            current = None
            continue
        if current is not None and reading.start_s <= current.end_s + 1.5 and holds_all(current.lines, reading.lines):
            grown = not holds_all(reading.lines, current.lines)
            if not grown or reading.start_s - current.start_s <= GROWS_S:
                current.end_s = max(current.end_s, reading.end_s)
                if grown or len(" ".join(reading.lines)) > len(" ".join(current.lines)):
                    current.lines, current.boxes = list(reading.lines), list(reading.boxes)
                    current.score = reading.score
                continue
        current = ShownText(reading.start_s, reading.end_s, list(reading.lines), list(reading.boxes), reading.score)
        entries.append(current)
    return entries


def holds_all(lines: Sequence[str], others: Sequence[str]) -> bool:
    """Whether every line that tells something stands among the others too, alone or as part of one."""
    telling = [line for line in lines if len(_LETTER.findall(line)) >= TELLING]
    if not telling:
        return any(_alike(" ".join(lines), other) for other in (*others, " ".join(others)))
    return all(stands_in(line, others) for line in telling)


def stands_in(line: str, others: Sequence[str]) -> bool:
    """Whether a line stands among the others, alone or as part of one."""
    return _plain(line) in _plain(" ".join(others)) or any(_alike(line, other) for other in others)


def _alike(one: str, other: str) -> bool:
    """Nearly the same letters and the same numbers: "Slide 2" is not "Slide 3"."""
    if _DIGITS.findall(one) != _DIGITS.findall(other):
        return False
    matcher = difflib.SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False)
    return matcher.real_quick_ratio() >= SAME and matcher.quick_ratio() >= SAME and matcher.ratio() >= SAME


def _plain(text: str) -> str:
    return "".join(text.casefold().split())
