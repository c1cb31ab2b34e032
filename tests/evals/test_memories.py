"""Ways to show a film at equal tokens: what fits, what counts as right, and the whole comparison on a small film."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from agent_tools.errors import InvalidArgument
from agent_tools.evals.commands import eval_app
from agent_tools.evals.retrieval.contexts import FRAME, FRAMES, OFF, ON, OURS, Piece
from agent_tools.evals.retrieval.memories import BUDGETS, fitting, rank_of
from agent_tools.evals.retrieval.questions import FilmQuestion
from agent_tools.timeline import Span
from tests.drawing import Pixels, draw, even_times
from tests.evals.test_retrieval import CLIPS, QUESTIONS, SAID, stamp, write

ASKED = FilmQuestion("screen_words", "x", Span(10.0, 12.0))


def test_what_is_shown_is_the_first_that_fits() -> None:
    pieces = [Piece(Span(0.0, 1.0), tokens) for tokens in (40, 50, 20, 1)]
    assert [piece.tokens for piece in fitting(pieces, 100)] == [40, 50]
    assert fitting(pieces, 39) == []


@pytest.mark.parametrize(
    ("piece", "asked", "rank"),
    [
        (Piece(Span(11.0, 14.0), 5), ASKED, 1),
        (Piece(Span(12.0, 14.0), 5), ASKED, 0),
        (Piece(Span(12.3, 12.31), FRAME, frame=True), ASKED, 1),
        (Piece(Span(12.6, 12.61), FRAME, frame=True), ASKED, 0),
        (Piece(Span(11.0, 11.01), FRAME, frame=True), FilmQuestion("spoken_words", "x", Span(10.0, 12.0)), 0),
    ],
)
def test_a_frame_shows_what_is_on_screen_and_nothing_of_what_is_said(
    piece: Piece, asked: FilmQuestion, rank: int
) -> None:
    assert rank_of([piece], asked) == rank


def restless(number: int, width: int, height: int) -> Pixels:
    coarse = np.random.default_rng(number // 8).integers(0, 255, (9, 16, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((height // 9, width // 16, 1), np.uint8))


@pytest.mark.slow
def test_memories_are_compared_on_one_question_set(tmp_path: Path) -> None:
    folder = tmp_path / "spoken"
    folder.mkdir()
    draw(folder / "film.mp4", even_times(48, 2.0), picture=restless)
    cues = [f"{n}\n{stamp(4 * n)} --> {stamp(4 * n + 3)}\n{text}\n" for n, text in enumerate(SAID)]
    (folder / "film.en.srt").write_text("\n".join(cues), encoding="utf-8")
    write(folder / "truth.json", CLIPS)
    arguments = ["compare", "--film", str(folder / "film.mp4"), "--home", str(tmp_path / "home")]
    arguments += ["--questions", str(write(tmp_path / "q.json", QUESTIONS)), "--plot", str(tmp_path / "plot.png")]
    shown = CliRunner().invoke(eval_app, [*arguments, "--json", str(tmp_path / "report.json")])
    assert shown.exit_code == 0, shown.exception
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["questions"] == 2  # what is absent, or comes after something, is not asked
    right = {row["way"]: [point[2] for point in row["points"]] for row in report["rows"]}
    assert right["chunks by memory tokens, held in memory"] == right["chunks by memory tokens, held in SQLite"]
    assert right[OURS] == right[OFF] == right[ON] == [2] * len(BUDGETS)
    assert right[FRAMES] == [0] * len(BUDGETS)  # nothing is on screen
    assert [one["shown"][OFF]["rank"] for one in report["ten"]] == [1, 1]
    assert "| tulips | - (" in shown.stdout
    with Image.open(tmp_path / "plot.png") as image:
        assert image.size[0] > image.size[1]


def test_a_film_needs_a_home() -> None:
    refused = CliRunner().invoke(eval_app, ["compare", "--film", "/nowhere.mp4"]).exception
    assert isinstance(refused, InvalidArgument)
    assert "needs --home" in str(refused)
