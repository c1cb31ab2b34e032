"""EgoLifeQA's own files: questions about the days of one person, asked at a moment of their recording.

EgoLifeQA_<person>.json, a list of {ID, query_time: {date: "DAY1", time: "11210217"}, type, question, choice_a ..
choice_d, answer (letter), ...}. A time of day is HHMMSSFF, at 20 frames per second. The recording is published as
clips of half a minute, <person>/DAY1/DAY1_<person>_11094208.mp4, whose names say when they begin. A run asks about one
file, so the clips have to be joined; the ffconcat list that joins them (file and duration lines) lies beside the
questions as <person>.ffconcat, and says where in the joined file a time of day is. The model may see the file up to the
moment of the question.

Source: github.com/EvolvingLMMs-Lab/EgoLife."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_tools.datasets.file_rows import found_file, read_json, rows_of
from agent_tools.errors import InvalidArgument
from agent_tools.evals.benchmarks.choices import Question, distinct

FRAMES_A_SECOND = 20
DAY_S = 86_400.0
CHOICES = ("choice_a", "choice_b", "choice_c", "choice_d")
LIST = ".ffconcat"
_DATE = re.compile(r"DAY([1-9]\d?)")
_CLIP = re.compile(r"DAY(\d{1,2})_.*?_(\d{8})(?:\.\w+)?$")
_LINE = re.compile(r"(?:file\s+'?(?P<file>[^']+?)'?|duration\s+(?P<seconds>\d+(?:\.\d+)?))\s*")


def read_egolife(data: Path) -> list[Question]:
    """The questions of one person's file, or of the first in a folder. Raises: InvalidArgument."""
    path = found_file(data, "EgoLifeQA_*.json", "EgoLifeQA/EgoLifeQA_*.json")
    person = path.stem.removeprefix("EgoLifeQA_")
    recording = read_list(path.with_name(person + LIST))
    return distinct(list(_questions(path, person, recording)), data)


def _questions(path: Path, person: str, recording: Recording) -> Iterator[Question]:
    for row in rows_of(path, read_json(path)):
        at = row.data.get("query_time")
        moment = _moment(at)
        if moment is None:
            raise row.wrong("query_time", 'must be {"date": "DAY1", "time": "HHMMSSFF"}', at)
        options = row.options([row.text(name) for name in CHOICES], CHOICES[0])
        yield Question(
            f"{person}/{row.text('ID')}",
            (person,),
            row.text("question"),
            options,
            row.letter("answer", len(options)) if row.has("answer") else "",
            (row.text("type"),),
            (f"day: {int(moment // DAY_S) + 1}",),
            until_s=recording.seconds_until(moment),
        )


@dataclass(frozen=True)
class Recording:
    """The clips of a joined file. Times of day count from the midnight before the first day."""

    begins: tuple[float, ...]  # time of day of each clip, ascending
    lengths: tuple[float, ...]
    starts: tuple[float, ...]  # second of the joined file

    def seconds_until(self, moment: float) -> float:
        """How much of the joined file was recorded before a moment."""
        place = bisect_right(self.begins, moment) - 1
        if place < 0:
            return 0.0
        return self.starts[place] + min(self.lengths[place], moment - self.begins[place])


def read_list(path: Path) -> Recording:
    """The ffconcat list of a joined recording. Raises: InvalidArgument: not there, or not such a list."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            f"No list of clips at {path}. Questions are asked at a time of day: join the clips of a person to one file "
            "with an ffconcat list (file and duration lines), and put the list there."
        ) from error
    begins: list[float] = []
    lengths: list[float] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(("#", "ffconcat")):
            continue
        found = _LINE.fullmatch(line.strip())
        clip = _CLIP.search(Path(found["file"]).name) if found and found["file"] else None
        if clip is not None and len(begins) == len(lengths):
            begins.append((int(clip[1]) - 1) * DAY_S + _time_of_day(clip[2]))
        elif found is not None and found["seconds"] and len(begins) == len(lengths) + 1:
            lengths.append(float(found["seconds"]))
        else:
            raise InvalidArgument(
                f"{path.name}, line {number}: {line.strip()[:80]!r} is not the next line of a list of clips: file "
                "'DAY1_A1_JAKE_11094208.mp4' and duration 30.0 take turns."
            )
    if not begins or len(begins) != len(lengths) or begins != sorted(begins):
        raise InvalidArgument(
            f"{path.name}: it must hold the clips in the order of their times, each with its duration."
        )
    starts = [0.0]
    for length in lengths[:-1]:
        starts.append(starts[-1] + length)
    return Recording(tuple(begins), tuple(lengths), tuple(starts))


def _moment(value: Any) -> float | None:
    if not isinstance(value, dict):
        return None
    date, time = _DATE.fullmatch(str(value.get("date"))), str(value.get("time"))
    if date is None or re.fullmatch(r"\d{8}", time) is None:
        return None
    return (int(date[1]) - 1) * DAY_S + _time_of_day(time)


def _time_of_day(text: str) -> float:
    hours, minutes, seconds, frames = (int(text[i : i + 2]) for i in (0, 2, 4, 6))
    return hours * 3600 + minutes * 60 + seconds + frames / FRAMES_A_SECOND
