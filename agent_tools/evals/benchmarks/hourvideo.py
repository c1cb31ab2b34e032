"""HourVideo's own files: questions about hours of first-person video, and its table of answers.

{video_uid: {video_metadata, benchmark_dataset: [{qid, task, question, answer_1 .. answer_5, correct_answer_label,
relevant_timestamps "HH:MM:SS - HH:MM:SS", ...}]}}. For a prediction the model may see the video only up to the start of
its relevant_timestamps. Some options are pictures, given as paths below the release's folder. A file without labels
(the test part) gives questions without answers. HourVideo's script asks all questions of a task together; here each
question is asked by itself. Accuracy counts all questions: one without an answer is wrong."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_tools.datasets.file_rows import Row, found_file, read_json
from agent_tools.evals.benchmarks.choices import Question, distinct
from agent_tools.timeline import clock_seconds

PREDICTIVE = "reasoning/predictive"
OPTIONS = 5
WHERE = ("*annotations*.json", "json/*annotations*.json", "*/json/*annotations*.json", "*.json", "json/*.json")
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
COLUMNS = ("qid", "video_uid", "task", "correct_answer_label", "model_answer")
_CANARY = re.compile(r'"([^"]*canary[^"]*)"(?:\s*:\s*"([^"]*)")?', re.IGNORECASE)


def read_hourvideo(data: Path) -> list[Question]:
    """The questions of an annotation file, or of the first one in the folder of a release.

    Raises: InvalidArgument: not of that form; with file, video, item, key and rule."""
    path = annotation_file(data)
    whole = Row(path, "the file", read_json(path))
    questions: list[Question] = []
    for uid, value in whole.data.items():
        if isinstance(value, str):
            continue  # a word about the file itself, such as its canary
        video = Row(path, f"video {uid}", value)
        items = video.data.get("benchmark_dataset")
        if not isinstance(items, list):
            raise video.wrong("benchmark_dataset", "must be a list of questions", items)
        rows = (Row(path, f"video {uid}, item {number}", data) for number, data in enumerate(items))
        questions += [_question(uid, row, _release(path)) for row in rows]
    return distinct(questions, path)


def annotation_file(data: Path) -> Path:
    """The annotation file: the one named, or the first found in a release's folder."""
    return found_file(data, *WHERE)


def canary(data: Path) -> list[str]:
    """The canary strings of the file, which every file made from it must carry on."""
    found = _CANARY.finditer(annotation_file(data).read_text(encoding="utf-8"))
    return sorted({" ".join(part for part in match.groups() if part) for match in found})


def write_tables(folder: Path, questions: Sequence[Question], answers: Mapping[str, str]) -> None:
    """The answers as HourVideo's script reads them: <video_uid>/<task>.csv, all of summarization in one."""
    tables: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for question in questions:
        task = question.tasks[0]
        protocol = "summarization" if task.startswith("summarization/") else task
        tables[question.video[0], protocol.replace("/", "_")].append(question)
    for (uid, task), of_task in tables.items():
        path = folder / uid / f"{task}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows((q.id, uid, q.tasks[0], q.answer, answers.get(q.id, "")) for q in of_task)


def _release(path: Path) -> Path:
    """The folder of the release, which paths of pictures lead on from."""
    return path.parent.parent if path.parent.name == "json" else path.parent


def _question(uid: str, row: Row, release: Path) -> Question:
    options = [row.text(f"answer_{k}") for k in range(1, OPTIONS + 1)]
    pictured = all(option.lower().endswith(PICTURES) for option in options)
    task = row.text("task")
    if row.has("video_uid") and row.text("video_uid") != uid:
        raise row.wrong("video_uid", f"must be that of the video it stands under, {uid}", row.data["video_uid"])
    return Question(
        row.text("qid"),
        (uid,),
        row.text("question"),
        tuple(str(release / option) if pictured else option for option in options),
        row.letter("correct_answer_label", OPTIONS) if row.has("correct_answer_label") else "",
        (task,),
        (task.partition("/")[0],) if "/" in task else (),
        _seen_until(row) if task == PREDICTIVE else None,
        pictured,
    )


def _seen_until(row: Row) -> float:
    timestamps = row.text("relevant_timestamps")
    start_s = clock_seconds(timestamps.partition("-")[0])
    if start_s is None:
        raise row.wrong("relevant_timestamps", 'must be "HH:MM:SS - HH:MM:SS"', timestamps)
    return start_s
