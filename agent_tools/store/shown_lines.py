"""The lines of an on-screen text that are compared by meaning one by one: a question is about a line, not a slide.

Lines that belong together are one: a sentence that runs over several lines, a label and the value under or beside it.
Pure functions over texts and boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_tools.store.entries import Entry
from agent_tools.store.function_words import BY_LANGUAGE, grammar
from agent_tools.store.spelling import words
from agent_tools.store.vectors import TOKEN_BITS

JOINT = " / "  # between the lines of a text
MOST = 24  # lines of one text, those with the most letters: a full screen of small text stays as cheap as a slide
LEAST_LETTERS = 5  # of a line of one word: shorter ones (menus, icons) are found by their words
SHORTEST_LETTERS = 3  # of a line in a script that writes words as few signs
FIRST_SIGN = 0x1100  # from here on one character can be a word
LONGEST = 3  # lines that one sentence may run over
VALUE_WORDS = 3  # of a line that can be the value of a label
SAME_HEIGHT = 0.3  # share by which the heights of a sentence's lines may differ
GAP = 0.8  # of a line's height: the most between the lines of one sentence
VALUE_GAP = 1.0  # between a label and the value under it; values are often larger
BESIDE_GAP = 4.0  # between a label and the value to its right
_VALUE = re.compile(r"^[-+−~≈<>$€£¥]{0,2}\d(?!\d?[.)] )")  # begins with a number, and is no item of a list
_ENDS = re.compile(r"[.!?:;。！？：]\W*$")
_FUNCTION_WORDS = frozenset[str]().union(*BY_LANGUAGE.values())

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in 0..1 of width and height


@dataclass(frozen=True)
class ShownLine:
    """One line, or several that belong together."""

    text: str
    start: int  # where its first part begins and ends in the entry's text
    end: int
    box: Box | None = None  # around all its parts; None where the reader kept no boxes
    height: float = 0.0  # of its letters, in shares of the picture's height

    @property
    def region(self) -> tuple[float, float, float, float] | None:
        """The box as x, y, width, height."""
        if self.box is None:
            return None
        x0, y0, x1, y1 = self.box
        return x0, y0, x1 - x0, y1 - y0


def shown_lines(entry: Entry) -> list[ShownLine]:
    """The lines of an entry of screen_text that are compared, in reading order; none of a text of one line."""
    texts = entry.text.split(JOINT)
    held = entry.extra.get("boxes")
    boxes = [(b[0], b[1], b[2], b[3]) for b in held] if isinstance(held, list) and len(held) == len(texts) else None
    if len(texts) < 2:
        return []
    lines, at = [], 0
    for number, text in enumerate(texts):
        box = boxes[number] if boxes else None
        lines.append(ShownLine(text, at, at + len(text), box, box[3] - box[1] if box else 0.0))
        at += len(text) + len(JOINT)
    joined = _sentences(_values(lines)) if boxes else lines
    telling = [line for line in joined if _tells(line.text)]
    kept = sorted(telling, key=lambda line: -_letters(line.text))[:MOST]
    return sorted(kept, key=lambda line: line.start) if len(joined) > 1 else []


def line_id(entry: Entry, place: int) -> int:
    """The id under which the vector of an entry's line is kept: the entry's id, and the line's place among them."""
    return entry.id << TOKEN_BITS | place


def line_with(entry: Entry, query: str) -> ShownLine | None:
    """The line that holds the most of a query's words, without those of grammar; None where several hold as many."""
    lines = shown_lines(entry)
    asked = words(query)
    telling = set(asked) - grammar(asked)
    held = [len(telling.intersection(words(line.text))) for line in lines]
    most = max(held, default=0)
    return lines[held.index(most)] if most and held.count(most) == 1 else None


def _values(lines: Sequence[ShownLine]) -> list[ShownLine]:
    """The lines, where a short one with digits has joined the label above it, or else the one to its left."""
    found = list(lines)
    for value in lines:
        if not _VALUE.match(value.text) or len(value.text.split()) > VALUE_WORDS:
            continue
        labels = [line for line in found if line is not value and _is_label(line) and _labels(line, value)]
        if not labels:
            continue
        label = min(labels, key=lambda line: _distance(line, value))
        found[found.index(label)] = _joined(label, value)
        found = [line for line in found if line is not value]
    return found


def _is_label(line: ShownLine) -> bool:
    return _letters(line.text) >= SHORTEST_LETTERS


def _labels(label: ShownLine, value: ShownLine) -> bool:
    """Whether the value stands directly under the label, or to its right in the same row."""
    if label.box is None or value.box is None:
        return False
    unit = min(label.height, value.height)
    under = abs(label.box[0] - value.box[0]) <= unit and -unit / 2 <= value.box[1] - label.box[3] <= VALUE_GAP * unit
    beside = (
        abs(label.box[1] + label.box[3] - value.box[1] - value.box[3]) <= unit
        and 0 <= value.box[0] - label.box[2] <= BESIDE_GAP * unit
        and not any(map(str.isdigit, label.text))
    )
    return under or beside


def _distance(label: ShownLine, value: ShownLine) -> float:
    if label.box is None or value.box is None:
        return 0.0
    return abs(value.box[1] - label.box[3]) + abs(value.box[0] - label.box[0])


def _sentences(lines: Sequence[ShownLine]) -> list[ShownLine]:
    """The lines; a line that continues in the line under it is joined with that line."""
    found: list[ShownLine] = []
    counts: list[int] = []
    for line in lines:
        before = next((at for at in reversed(range(len(found))) if _goes_on(found[at], line)), None)
        if before is not None and counts[before] < LONGEST:
            found[before] = _joined(found[before], line)
            counts[before] += 1
        else:
            found.append(line)
            counts.append(1)
    return found


def _goes_on(line: ShownLine, following: ShownLine) -> bool:
    """Whether a sentence continues in the line under it: by its place, and because it does not end or begin there."""
    if line.box is None or following.box is None or _ENDS.search(line.text):
        return False
    unit = following.height
    gap = following.box[1] - line.box[3]
    if abs(line.height - unit) > SAME_HEIGHT * unit or not -unit / 2 <= gap <= GAP * unit:
        return False
    left = abs(line.box[0] - following.box[0]) <= unit
    middle = abs(line.box[0] + line.box[2] - following.box[0] - following.box[2]) <= unit
    last = line.text.rsplit(" ", 1)[-1]  # as it stands: MIT is no word of grammar
    open_end = line.text.rstrip().endswith((",", "-")) or last in _FUNCTION_WORDS
    return (left or middle) and (open_end or following.text[:1].islower())


def _joined(one: ShownLine, other: ShownLine) -> ShownLine:
    box = None
    if one.box is not None and other.box is not None:
        box = (
            min(one.box[0], other.box[0]),
            min(one.box[1], other.box[1]),
            max(one.box[2], other.box[2]),
            max(one.box[3], other.box[3]),
        )
    return ShownLine(f"{one.text} {other.text}", one.start, one.end, box, one.height)


def _tells(text: str) -> bool:
    """Whether a line says enough to be compared by meaning."""
    if any(ord(letter) >= FIRST_SIGN for letter in text if letter.isalpha()):
        return _letters(text) >= SHORTEST_LETTERS
    several = [word for word in text.split() if _letters(word) >= 2]
    return len(several) >= 2 or _letters(text) >= LEAST_LETTERS


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))
