"""A library with one drawn video (slides, cards, motion, a subtitle track), ingested once for all these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.evals.films.demo_video import DemoTruth, draw
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings

DURATION_S = 240.0


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoTruth]:
    """The drawn video and what it holds."""
    path = tmp_path_factory.mktemp("videos") / "week 3.mp4"
    return path, draw(path, seed=3, duration_s=DURATION_S)


@pytest.fixture(scope="session")
def ingested(course: tuple[Path, DemoTruth], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home in which the drawn video is done."""
    settings = Settings.load({}, home=tmp_path_factory.mktemp("home"), allow=(course[0].parent,), profile="lite")
    library = Library(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "ensure", lambda self, store: False)
        ingest_video(library, course[0].name, wait_s=0)
    library.close()
    assert work(settings) == 1
    return settings


@pytest.fixture
def library(ingested: Settings) -> Iterator[Library]:
    """A library over the ingested home, with its sentence encoder loaded."""
    opened = Library(ingested)
    assert opened.models.text(60) is not None
    yield opened
    opened.close()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A library without videos that allows tmp_path/videos; its jobs are done by `work`, in this process."""
    folder = tmp_path / "videos"
    folder.mkdir()
    monkeypatch.setattr(Workers, "ensure", lambda self, store: False)
    opened = Library(Settings.load({}, home=tmp_path / "home", allow=(folder,), profile="lite"))
    yield opened
    opened.close()
