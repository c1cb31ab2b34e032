"""LongVidSearch's own files: questions of two to four hops about videos of half an hour, answered in words.

dataset/<video>_qa.json, a list of {question, answer, category, hop_level, evidence_slices, ...}; or the file of all of
them, whose objects also name their video (vid). Slices are counted from 1 and last half a minute; each is necessary for
the answer. The benchmark's own accuracy is the majority of three judges (GPT-5, Gemini 3 Pro, GPT-4o), so a score by
other judges is not comparable with the published ones. It gives agents captions; here they get the video.

Source: arXiv:2603.14468; github.com/yrywill/LongVidSearch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent_tools.datasets.file_rows import Row, found_file, read_json, rows_of
from agent_tools.evals.benchmarks.choices import Question, distinct

SLICE_S = 30.0
OF_A_VIDEO = "_qa"  # ends the name of a file that holds the questions of one video


def read_longvidsearch(data: Path) -> list[Question]:
    """The questions of a file, or of all files in the folder of the data set. Raises: InvalidArgument."""
    return distinct(list(_questions(data)), data)


def _questions(data: Path) -> Iterator[Question]:
    found = sorted(data.glob("dataset/*_qa.json")) or sorted(data.glob("*_qa.json")) if data.is_dir() else []
    for path in found or [found_file(data, "full-QA*.json", "*.json")]:
        of_file = path.stem.removesuffix(OF_A_VIDEO) if path.stem.endswith(OF_A_VIDEO) else ""
        for number, row in enumerate(rows_of(path, read_json(path))):
            video = row.text("vid") if row.has("vid") or not of_file else of_file
            yield Question(
                row.text("id") if row.has("id") else f"{video if of_file else path.stem}/{number}",
                (video,),
                row.text("question"),
                (),
                "",
                (row.text("category"),),
                (f"hops: {row.text('hop_level').partition('-')[0]}",),
                reference=row.text("answer"),
                evidence=_slices(row),
            )


def _slices(row: Row) -> tuple[tuple[float, float], ...]:
    numbers = row.data.get("evidence_slices")
    if not isinstance(numbers, list) or not all(type(number) is int and number >= 1 for number in numbers):
        raise row.wrong("evidence_slices", "must be a list of the numbers of slices, from 1", numbers)
    return tuple(((number - 1) * SLICE_S, number * SLICE_S) for number in numbers)
