"""Questions meet a film's own times; ranks, distances and the table are what one counts by hand."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.evals.retrieval.questions import FilmQuestion, read_questions
from agent_tools.evals.retrieval.retrieval import OURS, Found, answered, markdown, run_retrieval
from agent_tools.timeline import Span
from tests.drawing import draw, even_times

SAID = (
    "The harbour is closed because of the storm.",
    "My grandmother planted tulips behind the house.",
    "We count the votes again on Friday.",
    "A violin string broke during the concert.",
    "We count the chairs again on Sunday.",
)
QUESTIONS = [
    {"kind": "spoken_words", "question": "tulips", "clip": "a.mp4", "start_s": 4.0, "end_s": 7.0},
    {"kind": "spoken_meaning", "question": "ships cannot leave", "clip": "a.mp4", "start_s": 0.0, "end_s": 3.0},
    {
        "kind": "in_order",
        "question": "we count again",
        "after": "violin",
        "clip": "b.mp4",
        "start_s": 4.0,
        "end_s": 7.0,
    },
    {"kind": "absent", "question": "penguins on the ice", "clip": None},
]
CLIPS = [{"clip": "a.mp4", "start_s": 0.0, "end_s": 12.0}, {"clip": "b.mp4", "start_s": 12.0, "end_s": 24.0}]


def write(path: Path, rows: object) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_questions_are_laid_at_the_times_of_their_clips(tmp_path: Path) -> None:
    asked = read_questions(write(tmp_path / "q.json", QUESTIONS), write(tmp_path / "truth.json", CLIPS))
    assert asked[2] == FilmQuestion("in_order", "we count again", Span(16.0, 19.0), "violin")
    assert asked[3].span is None


@pytest.mark.parametrize(
    ("questions", "clips", "told"),
    [
        (QUESTIONS, CLIPS[:1], "holds no clip b.mp4"),
        ([{"kind": "smell", "question": "x", "clip": None}], CLIPS, "'smell' must be one of"),
        ([{"question": "x"}], CLIPS, "not a list of objects with kind"),
        (QUESTIONS, [], "not a list of objects with clip"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, questions: object, clips: object, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        read_questions(write(tmp_path / "q.json", questions), write(tmp_path / "truth.json", clips))


def test_checkout_asks_every_kind_and_each_answer_is_a_span() -> None:
    rows = json.loads((Path(__file__).parents[1] / "retrieval" / "questions.json").read_text(encoding="utf-8"))
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert (row["clip"] is None) == (row["kind"] == "absent")
        assert row["clip"] is None or row["start_s"] < row["end_s"]
        assert bool(row.get("after")) == (row["kind"] == "in_order")


@pytest.mark.parametrize(
    ("spans", "rank", "off_s"),
    [
        ([Span(9.0, 12.0), Span(30.0, 31.0)], 1, 1.0),
        ([Span(30.0, 31.0), Span(10.5, 12.0)], 2, 0.5),
        ([Span(0.0, 10.0)], 0, None),
        ([], 0, None),
    ],
)
def test_rank_is_that_of_the_first_hit_that_meets_the_truth(spans: list[Span], rank: int, off_s: float | None) -> None:
    async def search(_query: str, start_s: float, limit: int) -> Found:
        return Found(tuple(span for span in spans if span.start_s >= start_s)[:limit], 10)

    async def edge(_query: str) -> float:
        raise AssertionError("nothing has to come before")

    answer = anyio.run(answered, search, edge, FilmQuestion("mixed", "x", Span(10.0, 12.0)))
    assert answer.rank == rank
    if off_s is not None:
        assert answer.off_s == off_s


def test_what_has_to_come_before_bounds_the_search() -> None:
    async def search(_query: str, start_s: float, _limit: int) -> Found:
        return Found(tuple(span for span in (Span(1.0, 2.0), Span(8.0, 9.0)) if span.start_s >= start_s), 10)

    async def edge(query: str) -> float:
        return 5.0 if query == "this" else 0.0

    assert anyio.run(answered, search, edge, FilmQuestion("in_order", "x", Span(8.0, 9.0), "this")).rank == 1
    assert anyio.run(answered, search, edge, FilmQuestion("in_order", "x", Span(8.0, 9.0), "that")).rank == 2


def stamp(seconds: float) -> str:
    return f"00:00:{int(seconds):02d},000"


@pytest.mark.slow
def test_a_film_is_ingested_and_asked_beside_plain_searches(tmp_path: Path) -> None:
    folder = tmp_path / "spoken"
    folder.mkdir()
    draw(folder / "film.mp4", even_times(48, 2.0))
    cues = [f"{n}\n{stamp(4 * n)} --> {stamp(4 * n + 3)}\n{text}\n" for n, text in enumerate(SAID)]
    (folder / "film.en.srt").write_text("\n".join(cues), encoding="utf-8")
    write(folder / "truth.json", CLIPS)
    report = run_retrieval([folder / "film.mp4"], [tmp_path / "home"], write(tmp_path / "q.json", QUESTIONS))
    (film,) = report["films"]
    assert film["entries"] == len(SAID)
    ours = {row["kind"]: row["first"] for row in film["rows"] if row["search"] == OURS}
    assert ours == {"spoken_words": 1, "spoken_meaning": 1, "in_order": 1}
    assert film["absent"]["quiet"] == 1
    assert "| said, by word, of 1 |" in markdown(report)


def test_films_and_homes_go_together() -> None:
    with pytest.raises(InvalidArgument, match="give one --home for each film"):
        run_retrieval([Path("a.mp4")], [])
