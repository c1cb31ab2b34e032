"""Questions about a film assembled from real clips, and when their answers are said or shown in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_tools.errors import InvalidArgument
from agent_tools.timeline import Span

KINDS: Mapping[str, str] = {
    "spoken_meaning": "said, by meaning",
    "spoken_words": "said, by word",
    "screen_meaning": "on screen, by meaning",
    "screen_words": "on screen, by word",
    "mixed": "by meaning and word",
    "in_order": "in order: the first after something else",
    "absent": "absent",
}


@dataclass(frozen=True)
class FilmQuestion:
    """A question; `span` is None where the film holds no answer, `after` names what has to come before it."""

    kind: str
    text: str
    span: Span | None
    after: str = ""


def default_questions() -> Path:
    """The checkout's questions about the development clips. Raises: InvalidArgument: this is not a checkout."""
    path = Path(__file__).resolve().parents[3] / "tests" / "retrieval" / "questions.json"
    if not path.is_file():
        raise InvalidArgument(f"No questions at {path}. Name a file: --questions FILE")
    return path


def read_questions(path: Path, truth: Path) -> list[FilmQuestion]:
    """The questions of a file, [{kind, question, clip, start_s, end_s, after?}], at a film's own times.

    Args:
        truth: [{clip, start_s, end_s}], the clips of the film; a clip's times begin at its own start.
    Raises: InvalidArgument: a file has not the right form, or a clip is missing from the film.
    """
    rows, clips = _rows(path, ("kind", "question", "clip")), _rows(truth, ("clip", "start_s"))
    starts = {str(clip["clip"]): float(clip["start_s"]) for clip in reversed(clips)}
    questions = []
    for row in rows:
        if row["kind"] not in KINDS:
            raise InvalidArgument(f"{path}: kind {row['kind']!r} must be one of {', '.join(KINDS)}.")
        name = row["clip"]
        if name is not None and name not in starts:
            raise InvalidArgument(f"{truth} holds no clip {name}, which {path} asks about.")
        at = 0.0 if name is None else starts[name]
        span = None if name is None else Span(at + float(row["start_s"]), at + float(row["end_s"]))
        questions.append(FilmQuestion(row["kind"], row["question"], span, row.get("after", "")))
    return questions


def _rows(path: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        if all(all(key in row for key in keys) for row in rows) and rows:
            return rows
        raise ValueError("a row misses one of them, or there are no rows")
    except (OSError, ValueError, TypeError) as error:
        raise InvalidArgument(f"{path} is not a list of objects with {', '.join(keys)}: {error}") from error
