"""Multiple-choice questions about videos, read from the benchmarks' own files; `hourvideo` reads HourVideo's.

MLVU: a list of {video, question, candidates, answer (an option's text), question_type} per task. Questions without
candidates are judged by a language model, not by a letter, so they are left out. LongVideoBench: a list of {id,
video_path, question, candidates, correct_choice (0-based), ...}. Video-MME: a table of {question_id, videoID, question,
options ("A. ..."), answer (letter), ...}, or the same under `questions` of a list of videos, as in its results
template. EgoSchema: a list of {q_uid, question, "option 0" ..}, answers in subset_answers.json {q_uid: 0-based}.
LVBench: a line per video, {key, qa: [{uid, question with "(A) ..." lines, answer (letter), question_type (a list)}]}.
MH-NIAH: see `needles.items`; each item gives two questions about a haystack that has the file's name, as
`eval needles --video` writes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_tools.datasets.file_rows import LETTERS, Row, found_file, read_json, read_lines, rows_of
from agent_tools.errors import InvalidArgument
from agent_tools.evals.needles.items import options, read_items
from agent_tools.untrusted import clean

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")
_LETTERED = re.compile(r"^\s*\(?([A-J])[.):]\s*")
_OPTION_LINE = re.compile(r"^[ \t]*\(([A-J])\)[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """One question with its options, in the order of its file."""

    id: str
    video: tuple[str, ...]  # paths below the folder of videos where its file may lie, best first
    text: str
    options: tuple[str, ...]
    answer: str  # the right option's letter; "" where the file does not give it
    tasks: tuple[str, ...]  # what it counts for
    groups: tuple[str, ...] = ()  # other rows of the report it counts for
    until_s: float | None = None  # what comes later in the video may not be seen
    pictured: bool = False  # the options are pictures: their files
    subtitles: str = ""  # the file that the benchmark gives, below its folder of subtitles; "" = by the video's name
    subtitles_from_s: float = 0.0  # the second in that file at which the video begins
    pair: str = ""  # what is right only if all questions of it are
    reference: str = ""  # the right answer in words, of a question without options: a judge compares answers with it
    evidence: tuple[tuple[float, float], ...] = ()  # (start_s, end_s) that an answer needs

    def __post_init__(self) -> None:
        if self.reference:
            if self.options or self.answer:
                raise ValueError("a question has options or a reference, not both")
            return
        letters = LETTERS[: len(self.options)]
        if not 2 <= len(self.options) <= len(LETTERS) or self.answer not in ("", *letters):
            raise ValueError(f"{len(self.options)} options, answer {self.answer!r}")

    @property
    def letters(self) -> str:
        return LETTERS[: len(self.options)]


def read_choices(form: str, data: Path) -> list[Question]:
    """The questions of a benchmark's file, or of its files in a folder, in their order.

    Raises: InvalidArgument: no such file; or one that is not as the benchmark publishes it, with file, place and rule.
    """
    if form not in READERS:
        raise InvalidArgument(f"format is {form!r}; it must be one of {', '.join(READERS)}.")
    questions = list(READERS[form](data))
    return distinct(questions, data)


def distinct(questions: list[Question], data: Path) -> list[Question]:
    """The questions, if there are any and no two have one id. Raises: InvalidArgument."""
    if not questions:
        raise InvalidArgument(f"{data} holds no multiple-choice question.")
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise InvalidArgument(f"{data} holds two questions of the id {question.id!r}; ids must differ.")
        seen.add(question.id)
    return questions


def _mlvu(data: Path) -> Iterator[Question]:
    folder = next(
        (f for f in (data / "json", data / "MLVU" / "json", data) if f.is_dir() and any(f.glob("*.json"))), data
    )
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else [found_file(data)]
    for path in paths:
        for number, row in enumerate(rows_of(path, read_json(path))):
            if not row.has("candidates"):
                if data.is_file():
                    raise row.wrong("candidates", "must be there: tasks without options have no letter", None)
                continue  # sub_scene and summary: texts that a language model judges
            options = row.options(row.texts("candidates"), "candidates")
            answer = row.text("answer") if row.has("answer") else ""
            if answer and answer not in options:
                raise row.wrong("answer", "must be one of the candidates, word for word", answer)
            video = row.text("video")
            yield Question(
                row.text("question_id") if row.has("question_id") else f"{path.stem}/{number}",
                (f"{path.stem}/{video}", video),
                row.text("question"),
                options,
                LETTERS[options.index(answer)] if answer else "",
                (row.text("question_type"),),
            )


def _longvideobench(data: Path) -> Iterator[Question]:
    path = found_file(data, "lvb_val.json", "lvb_test_wo_gt.json")
    for row in rows_of(path, read_json(path)):
        if row.has("candidates"):
            options = row.texts("candidates")
        else:  # the table form pads with "N/A"
            options = tuple(row.text(f"option{k}") for k in range(5) if row.has(f"option{k}"))
            options = tuple(option for option in options if option != "N/A")
        options = row.options(options, "candidates")
        yield Question(
            row.text("id"),
            (row.text("video_path"), row.text("video_id")),
            row.text("question"),
            options,
            LETTERS[row.place("correct_choice", len(options))] if row.has("correct_choice") else "",
            (row.text("question_category"),),
            tuple(f"{label}: {row.text(key)}" for key, label in _LVB_GROUPS if row.has(key)),
            subtitles=row.text("subtitle_path") if row.has("subtitle_path") else "",
            subtitles_from_s=row.seconds("starting_timestamp_for_subtitles"),
        )


_LVB_GROUPS = (("duration_group", "up to s"), ("level", "level"))


def _videomme(data: Path) -> Iterator[Question]:
    path = found_file(data, "videomme/*.parquet", "*.parquet", "*.jsonl", "*.json")
    for row in _table(path):
        nested = row.data.get("questions")
        if nested is None:
            yield _videomme_question(row, row)
        else:
            for part in rows_of(path, nested):
                yield _videomme_question(part, row)


def _table(path: Path) -> Iterator[Row]:
    """Rows of a parquet file, of a list, or of one object a line."""
    if path.suffix == ".parquet":
        yield from rows_of(path, _parquet(path))
    elif path.suffix == ".jsonl":
        yield from read_lines(path)
    else:
        yield from rows_of(path, read_json(path, trailing_commas=True))


def _parquet(path: Path) -> Any:
    try:
        from pyarrow.parquet import read_table  # type: ignore[import-not-found,unused-ignore]  # optional
    except ImportError as error:
        raise InvalidArgument(
            f"{path.name} is a parquet file, and pyarrow, which reads those, is not installed: pip install pyarrow, "
            "or give the same table as JSON lines."
        ) from error
    try:
        return read_table(path).to_pylist()
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise InvalidArgument(f"{path.name} cannot be read as parquet: {clean(str(error), 160)}") from error


def _videomme_question(row: Row, video: Row) -> Question:
    key = "options" if row.has("options") else "choices"
    value = row.data.get(key)
    lines = tuple(value.splitlines()) if isinstance(value, str) else row.texts(key)
    options = row.options([_LETTERED.sub("", line).strip() for line in lines if line.strip()], key)
    length = "duration" if video.has("duration") else "duration_category"
    names = [video.text(key) for key in ("videoID", "video_id") if video.has(key)]
    return Question(
        row.text("question_id"),
        tuple(names) or (video.text("videoID"),),
        row.text("question"),
        options,
        row.letter("answer", len(options)) if row.has("answer") else "",
        (row.text("task_type"),),
        (f"length: {video.text(length)}",),
    )


def _egoschema(data: Path) -> Iterator[Question]:
    path = found_file(data, "questions.json")
    beside = path.parent / "subset_answers.json"
    answers = Row(beside, "the file", read_json(beside)) if beside.is_file() else None
    for row in rows_of(path, read_json(path)):
        uid = row.text("q_uid")
        options = row.options([row.text(f"option {k}") for k in range(5)], "option 0")
        answer = LETTERS[answers.place(uid, 5)] if answers is not None and answers.has(uid) else ""
        yield Question(uid, (uid,), row.text("question"), options, answer, ("egoschema",))


def _lvbench(data: Path) -> Iterator[Question]:
    path = found_file(data, "video_info.meta.jsonl", "data/video_info.meta.jsonl")
    for line in read_lines(path):
        key, items = line.text("key"), line.data.get("qa")
        if not isinstance(items, list):
            raise line.wrong("qa", "must be a list of questions", items)
        for data_row in items:
            row = Row(path, f"video {key}", data_row)
            text = row.text("question")
            lines = list(_OPTION_LINE.finditer(text))
            if [match[1] for match in lines] != list(LETTERS[: len(lines)]):
                raise row.wrong("question", 'must end in lines "(A) ...", "(B) ..." and so on', text)
            options = row.options([match[2].strip() for match in lines], "question")
            yield Question(
                row.text("uid"),
                (key,),
                text[: lines[0].start()].strip(),
                options,
                row.letter("answer", len(options)) if row.has("answer") else "",
                row.texts("question_type"),
            )


def _niah(data: Path) -> Iterator[Question]:
    path = found_file(data, "niah-coco-multihop-100.json", "*.json")
    for number, item in enumerate(read_items(path)):
        parts = ("caption", item.question1, item.answer1), ("question", item.question2, item.answer2)
        for part, text, answer in parts:
            yield Question(
                f"{number}/{part}",
                (path.stem, "haystack"),
                text.partition("\nOptions:")[0].strip(),
                tuple(options(text).values()),
                answer,
                (part,),
                (f"hops: {item.hops}",),
                pair=str(number),
            )


READERS: Mapping[str, Callable[[Path], Iterator[Question]]] = {
    "mlvu": _mlvu,
    "longvideobench": _longvideobench,
    "videomme": _videomme,
    "egoschema": _egoschema,
    "lvbench": _lvbench,
    "niah": _niah,
}


class Videos:
    """The video files below a folder, found by path, by name, or by name without its suffix."""

    def __init__(self, folder: Path) -> None:
        """Raises: InvalidArgument: no such folder."""
        if not folder.is_dir():
            raise InvalidArgument(f"No folder of videos at {folder}. Name it: --videos FOLDER")
        self._folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                for name in {path.name, path.stem}:
                    self._by_name.setdefault(name, []).append(path)

    def of(self, question: Question) -> Path | None:
        """The file that a question is about, None where it is not there. Raises: InvalidArgument: several could be."""
        for name in question.video:
            if (direct := self._folder / name).is_file() and direct.suffix.lower() in SUFFIXES:
                return direct
        for name in question.video:
            held = self._by_name.get(Path(name).name, [])
            if len(held) > 1:
                named = ", ".join(str(path.relative_to(self._folder)) for path in held[:4])
                raise InvalidArgument(f"Question {question.id}: {len(held)} files could be {name!r}: {named}.")
            if held:
                return held[0]
        return None
