"""Cues out of plain transcripts: a time in front of each text, and tables with a column of times.

Programs that write down what is said give such files: "[00:01:02] Ann: text", "Ann  1:02" above the text, Whisper's
.tsv, tables of editors."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from agent_tools.media.cues import Cue

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:[.,]\d{1,3})?)"
_STAMP = re.compile(rf"\s*[\[(]?\s*{_CLOCK}(?::(?=\D))?\s*[\])]?(?:\s+[-–—]\s+|\s*:\s*|\s+|$)(.*)")
_NAMED_STAMP = re.compile(rf"\s*(\D[^\t\n]{{0,58}}?)(?:\s{{2,}}|\t|\s*[\[(]\s*){_CLOCK}\s*[\])]?\s*")
_NAME = re.compile(r"([^\W\d_][\w .'’-]{0,38}):\s+(?=\S)")
_LEAST_LINES, _LEAST_SHARE = 2, 0.3  # of the lines with letters, those with a time
_LEAST_S, _LETTERS_PER_S = 4.0, 10.0  # of a text without an end; people say 12 to 15 letters a second
_COLUMNS = {
    "start": ("start", "start_time", "start time", "begin", "from", "in", "time", "timestamp", "timecode"),
    "end": ("end", "end_time", "end time", "to", "out"),
    "text": ("text", "transcript", "caption", "subtitle", "sentence", "utterance", "content", "dialogue"),
    "speaker": ("speaker", "name", "speaker name"),
}
_MILLISECONDS = re.compile(r"\d+")
_WHOLE_CLOCK = re.compile(rf"{_CLOCK}(?:[:;](\d{{2}}))?")


def stamped_cues(text: str) -> list[Cue]:
    """The cues of lines with one time each, which lasts until the next; empty if the text is nothing like that."""
    cues: list[Cue] = []
    lines = [line for line in text.split("\n") if any(map(str.isalnum, line))]
    for line in lines:
        named, stamp = _NAMED_STAMP.fullmatch(line), _STAMP.fullmatch(line)
        if stamp is not None:
            name = _NAME.match(stamp[4])
            said = stamp[4][name.end() :] if name else stamp[4]
            cues.append(Cue(_clock_s(stamp.groups()[:3]), 0.0, said, name[1] if name else ""))
        elif named is not None:
            cues.append(Cue(_clock_s(named.groups()[1:4]), 0.0, "", named[1].strip()))
        elif cues:
            last = cues[-1]
            cues[-1] = Cue(last.start_s, 0.0, f"{last.text}\n{line}" if last.text else line, last.speaker)
    enough = len(cues) >= max(_LEAST_LINES, _LEAST_SHARE * len(lines))
    in_order = all(one.start_s <= other.start_s for one, other in pairwise(cues))
    return list(_with_ends([cue for cue in cues if cue.text.strip()])) if enough and in_order else []


def _with_ends(cues: Sequence[Cue]) -> Iterator[Cue]:
    """Each lasts as long as its text takes to say, and no longer than to the next one."""
    following = [*(cue.start_s for cue in cues[1:]), math.inf]
    for cue, next_s in zip(cues, following, strict=True):
        yield replace(cue, end_s=min(next_s, cue.start_s + max(_LEAST_S, len(cue.text) / _LETTERS_PER_S)))


def table_cues(text: str, delimiter: str) -> list[Cue]:
    """The cues of a table whose first row names its columns; empty if it has none of times and texts.

    Whole numbers are milliseconds, as Whisper writes them; other numbers are seconds."""
    rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    if not rows:
        return []
    heads = [head.strip().strip("\ufeff").casefold() for head in rows[0]]
    places = {
        column: next((heads.index(name) for name in names if name in heads), None) for column, names in _COLUMNS.items()
    }
    return list(_of_rows(rows[1:], places))


def _of_rows(rows: Sequence[Sequence[str]], places: dict[str, int | None]) -> Iterator[Cue]:
    def cell(row: Sequence[str], column: str) -> str:
        place = places[column]
        return row[place].strip() if place is not None and place < len(row) else ""

    unit_s = 0.001 if all(_MILLISECONDS.fullmatch(cell(row, "start") or "0") for row in rows) else 1.0
    for row in rows:
        start_s, end_s = (_time_s(cell(row, column), unit_s) for column in ("start", "end"))
        if start_s is not None and cell(row, "text"):
            yield Cue(start_s, end_s or 0.0, cell(row, "text"), cell(row, "speaker"))


def _time_s(written: str, unit_s: float) -> float | None:
    if (clock := _WHOLE_CLOCK.fullmatch(written)) is not None:
        return _clock_s(clock.groups()[:3])  # frames behind the seconds do not count
    try:
        return float(written.replace(",", ".")) * unit_s
    except ValueError:
        return None


def _clock_s(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds = parts
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float((seconds or "0").replace(",", "."))
