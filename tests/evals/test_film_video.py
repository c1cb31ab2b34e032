"""A cue list as a video: an ingest finds in it what the list holds, and scores come from that ingest."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.evals.films.cue_lists import Film, Line
from agent_tools.evals.films.film_video import write
from agent_tools.evals.grounding.calibration import scores
from agent_tools.evals.grounding.calibration_films import Query
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.store import spelling
from tests.library import OpenLibrary

pytestmark = pytest.mark.slow

SLIDES = (
    "Tides: the harbour wall / The gauge rises 42 times / A shallow estuary turns before the strong current slows down",
    "Nobody knows the way to the bridge, and yet the ferry has gone",
)
FILM = Film(
    "tides for two minutes",
    120.0,
    tuple(
        Line(20.0 * n + 0.5, 20.0 * n + 3, f"sentence {n} about a {word}") for n, word in enumerate(("kiwi", "plum"))
    ),
    tuple(Line(30.0 + 50 * n, 60.0 + 50 * n, text) for n, text in enumerate(SLIDES)),
)


@pytest.fixture
def library(tmp_path: Path, open_library: OpenLibrary) -> Library:
    (tmp_path / "films").mkdir()
    return open_library(tmp_path / "films")


def test_an_ingest_finds_what_the_list_holds(library: Library, tmp_path: Path) -> None:
    path = write(tmp_path / "films", FILM)
    video_id = ingest_video(library, path.name, wait_s=0).video_id
    assert video_id is not None
    assert work(library.settings) == 1
    video = library.video(video_id)
    assert video.duration_s == FILM.duration_s
    said = library.store.entries(video_id, channels=("subtitles",))
    assert [(one.start_s, one.end_s, one.text) for one in said] == [
        (line.start_s, line.end_s, line.text) for line in FILM.subtitles
    ]
    row = library.store.channel(video_id, "subtitles")
    assert row is not None
    assert row.language == "en"
    read = library.store.entries(video_id, channels=("screen_text",))
    for line in FILM.screen_text:
        seen = [one for one in read if one.start_s < line.end_s and one.end_s > line.start_s]
        held = {word for one in seen for word in spelling.words(one.text)}
        wanted = spelling.words(line.text)
        assert sum(word in held for word in wanted) >= 0.8 * len(wanted), (line.text, [one.text for one in seen])
        assert all(abs(one.start_s - line.start_s) <= 1.5 and abs(one.end_s - line.end_s) <= 1.5 for one in seen)
    assert len(read) == len(SLIDES)  # what lies between them is without text


def test_scores_come_from_the_film_as_it_was_ingested() -> None:
    asked = [("'harbour wall' on a slide", True), ("'glacier tongue' on a slide", False)]
    asked += [("the speaker says 'about a plum'", True), ("the speaker says 'about a pear'", False)]
    told: list[str] = []
    queries = [Query(event, present, "words", "phrase", False, FILM, "drawn") for event, present in asked]
    found = scores(queries, told.append)
    assert [one.query for one in found] == queries
    assert min(one.score for one in found if one.query.present) > max(
        one.score for one in found if not one.query.present
    )
    assert told == [
        "drew film 1 of 1: tides for two minutes",
        "film 1 of 1: tides for two minutes, 4 queries",
    ]
